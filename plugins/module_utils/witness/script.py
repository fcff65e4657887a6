# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The k6 script of a witness, and the plan it is given."""

from __future__ import annotations

import math
from typing import Any

from .lines import STREAM
from .spec import Spec, Url

PLAN_VARIABLE = "WITNESS_PLAN"
STREAM_TIMEOUT_MS = 600_000

SCRIPT = """\
import exec from 'k6/execution';
import http from 'k6/http';
import { sleep } from 'k6';

const plan = JSON.parse(__ENV.WITNESS_PLAN);
export const options = plan.options;

const WORDS = {
  1000: 'cut', 1020: 'url', 1050: 'timeout', 1100: 'dns', 1101: 'dns', 1110: 'blocked', 1111: 'blocked',
  1200: 'connect', 1201: 'broken_pipe', 1202: 'connect', 1210: 'connect', 1211: 'timeout', 1212: 'refused',
  1213: 'connect', 1220: 'reset',
};

function failure(code) {
  if (code >= 1300 && code < 1400) return 'tls';
  if (code >= 1600 && code < 1700) return 'http2';
  return WORDS[code] || `k6_${code}`;
}

function header(response, name) {
  const found = Object.keys(response.headers).find((key) => key.toLowerCase() === name.toLowerCase());
  return found === undefined ? undefined : response.headers[found];
}

function field(response, path) {
  try {
    return path.split('.').reduce((value, key) => value[key], JSON.parse(response.body));
  } catch (error) {
    return undefined;
  }
}

function version(response) {
  const named = plan.identity.header ? header(response, plan.identity.header) : field(response, plan.identity.json);
  const usable = (typeof named === 'string' && named.trim() !== '') || typeof named === 'number';
  return usable ? encodeURIComponent(String(named).trim()) : '-';
}

function judge(response, shape) {
  if (response.status === 0) return [failure(response.error_code), '-'];
  const answered = version(response);
  if (shape === 'http2' && response.proto !== 'HTTP/2.0') return ['protocol', answered];
  if (response.status >= 200 && response.status < 400 && answered === '-' && shape !== 'stream') {
    return ['identity', '-'];
  }
  return [response.status, answered];
}

export default function () {
  const shape = exec.scenario.name;
  const sequence = exec.scenario.iterationInTest;
  const urls = plan.urls[shape];
  const start = Date.now();
  const response = http.get(urls[sequence % urls.length], plan.params[shape]);
  const end = Date.now();
  const [outcome, answered] = judge(response, shape);
  console.log(`${start} ${end} ${shape} ${sequence} ${outcome} ${answered}`);
  if (shape === 'stream') sleep(Math.max(0, 1000 - (end - start)) / 1000);
}

export function handleSummary(data) {
  const dropped = data.metrics.dropped_iterations;
  return { [plan.summary]: JSON.stringify({ dropped: dropped ? dropped.values.count : 0 }) };
}
"""


def plan_for(spec: Spec, summary: str) -> dict[str, Any]:
    """What the script is to do; `summary` is the file it writes at its end."""
    return {
        "summary": summary,
        "identity": dict(spec.identity),
        "urls": {shape: spec.urls_of(shape) for shape in spec.shapes},
        "params": {shape: _params(shape, spec) for shape in spec.shapes},
        "options": {
            "scenarios": {shape: _scenario(shape, spec) for shape in spec.shapes},
            "hosts": {url.authority: _host_port(url) for url in spec.all_urls if url.address},
            "dns": {"ttl": "5s"},
            "userAgent": "runbook.release witness",
            "systemTags": [],
        },
    }


def _params(shape: str, spec: Spec) -> dict[str, Any]:
    return {
        "timeout": STREAM_TIMEOUT_MS if shape == STREAM else spec.timeout_ms,
        "redirects": 0,
        "responseType": "text",
        "responseCallback": None,
        "headers": {"Connection": "close"} if shape == "new" else {},
    }


def _scenario(shape: str, spec: Spec) -> dict[str, Any]:
    life = f"{spec.duration}s"
    if shape == STREAM:
        return {"executor": "constant-vus", "vus": 1, "duration": life, "gracefulStop": "0s"}
    arrivals, period_s = _arrivals(spec.rate, len(spec.paced_shapes))
    clients = clients_for(arrivals / period_s, spec.timeout_ms)
    return {
        "executor": "constant-arrival-rate",
        "rate": arrivals,
        "timeUnit": f"{period_s}s",
        "duration": life,
        "preAllocatedVUs": clients,
        "maxVUs": clients,
        "gracefulStop": f"{spec.timeout_ms + 1000}ms",
    }


def _arrivals(rate: float, shapes: int) -> tuple[int, int]:
    """k6 wants whole numbers: so many arrivals in so many seconds."""
    scale = 1 if rate == int(rate) else 100
    return max(1, round(rate * scale)), shapes * scale


def clients_for(rate: float, timeout_ms: int) -> int:
    """Enough for every request to hang until its timeout, and a second more, without dropping one."""
    return math.ceil(rate * (timeout_ms + 1000) / 1000) + 2


def _host_port(url: Url) -> str:
    address = f"[{url.address}]" if ":" in url.address else url.address
    return f"{address}:{url.authority.rpartition(':')[2]}"
