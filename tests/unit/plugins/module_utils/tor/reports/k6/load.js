import http from 'k6/http';
import { check } from 'k6';

export const options = {
  vus: 2,
  iterations: 30,
  thresholds: { http_req_duration: [__ENV.LIMIT || 'p(95)<500'], http_req_failed: ['rate<0.001'] },
  summaryTrendStats: ['avg', 'min', 'med', 'max', 'p(90)', 'p(95)', 'p(99)', 'count'],
};

export default function () {
  const answer = http.get(__ENV.TARGET, { tags: { name: 'health' } });
  check(answer, { 'status is 200': (got) => got.status === 200 });
}

export function handleSummary(data) {
  return { [__ENV.SUMMARY]: JSON.stringify(data, null, 1) };
}
