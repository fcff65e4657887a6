# Copyright: runbook.release contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a criterion is; the twin of ``module_utils/tor/criterion.py`` and of the classes in ``tor/sources``."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  criteria:
    description: What must hold.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: What the criterion is called in verdicts. A criterion with a baseline needs a name of its own.
        type: str
        required: true
      clause:
        description: The clause it comes from, for example C(TOR 7.1.6).
        type: str
      source:
        description:
          - Where the value comes from, as C(kind) and the options of that kind.
          - "Secrets are referred to and not written. A password is in a file (C(password_file)), in a Secret of the
            cluster (C(password_secret) with C(name), C(key) and C(namespace)), or in a variable of the environment of
            the machine that evaluates (C(password_environment)). A token likewise is in C(token_file), C(token_secret)
            or C(token_environment)."
          - "Login, of C(http) and of every server below: C(username) with a password, or a token, which is sent as
            C(Authorization: Bearer) or by itself in the header C(token_header)."
          - "Server, of C(prometheus), C(alertmanager), C(opensearch), C(grafana), C(sonarqube) and C(judge): C(url)
            with its path prefix, and C(ca_cert), the PEM file to trust. Or C(service), C(port) and C(namespace) of a
            Service, which is asked through the API server, and which no password or C(Authorization) reaches."
          - "Database, of C(sql) and C(model): C(host), C(port) (5432), C(database) and C(user) of a PostgreSQL server,
            with a password. C(sslmode) as libpq knows it (C(verify-full), but for this machine), C(ca_cert)."
          - "Report, of C(k6), C(junit), C(coverage), C(trivy), C(licences), C(model) and C(json): C(path) of the file
            on the machine that evaluates. C(component), the one of the release whose image it is on. C(newer_than),
            C(version) and C(digest) say what it has to be about, in place of O(subject). C(time_zone) of a report whose
            time has none, such as C(Asia/Bangkok).
            C(trust_file_time) takes the time of the file for that of a report that does not say itself when it was
            made. A report that was cut, is stale or about something else never passes."
          - "C(http): C(url). C(address), IP or name to connect to, while host name and SNI stay those of the URL, or
            C(address_of) with C(kind) (C(Service), C(Ingress) or C(Gateway)), C(name) and C(namespace), whose status
            tells the address. C(sign_in) with C(url), to which C(username) and its password are sent as JSON with a
            POST, under the names C(user) (C(username)) and C(password) (C(password)); C(token) (C(token)) is the
            JMESPath to the token in the answer, which the request then bears, and those of other criteria, too.
            C(ca_cert). C(method) (C(GET), C(HEAD) or C(POST)), C(headers) without secrets, and the C(body) of a POST.
            C(redirects) to follow, by default a redirect is the answer. C(body_limit) in bytes (1 MiB). C(duration),
            seconds over which the samples are spread. C(request_timeout) in seconds. Each sample is a request on a new
            connection. In a hold a POST is sent for the first evaluation only, and its verdict stands."
          - "C(service): C(service), C(path), C(port) (number or name), C(namespace), C(duration). The same through the
            API server, so it reaches a Service that nothing routes to yet."
          - "C(witness): C(path) of a witness's folder, C(version), C(since) in seconds since the epoch. With a version
            only the answers of that version count, and a request that nobody answered is not its error. Waits for the
            samples until the time is up, and a share of errors that may be above its limit by chance is looked at that
            long before it fails. A witness that has ended unasked says nothing. See M(runbook.release.witness)."
          - "C(judge): a new version against the old one. C(canary) and C(baseline), the two versions. Without a
            baseline the objective C(slo), the share of errors that is promised (0.1 %), and C(limit), the share that
            is too much (1 %), count alone. The answers come from a witness, C(path), or from counters of Prometheus,
            as PromQL selectors in which C($version) stands for the version: C(total), and C(bad) or C(good) answers
            (of slow ones the bucket that ends where slow begins), C(value), C(scrape), seconds between two scrapes
            (15). C(since), when traffic moved, in seconds since the epoch. C(interval), seconds whose answers count
            together (10)."
          - "C(judge) compares by C(tolerated), how many times as bad the canary may be (1, of slow answers 1.1);
            C(min_excess), by how much it has to be worse at least (0.1 %); C(unacceptable), how many times as bad is
            proven not to be the case before it passes (2); C(hopeless), the share of errors that fails at once (20 %),
            from 50 answers on. C(alpha) is the probability to fail a good canary, however often one looks (0.01),
            which all C(metrics) judged at a gate share (1). C(beta), to pass a bad one (0.05). C(minimum), answers of
            the canary without which it does not pass (300). C(slower_than) is what counts as slow, C(direction) what
            fails a C(shift) (C(increase), C(decrease), C(either))."
          - "C(kubernetes): C(object_kind), and C(name), C(names) or C(labels), a selector, or none for all of the kind.
            C(namespace), C(api_version) of a kind that is not known here, C(keys) that C(missing_keys) is about,
            C(container) that C(image_digest) and C(deviations) are about. C(env), what a container has to have in its
            variables, a text or C({matches, distinct, secret, key, optional, absent}), where C(secret) is the Secret it
            comes from, or true for any, and C(distinct) is between the objects; what is there may not be empty.
            C(resources), its C(requests) and C(limits)."
          - "C(exec): C(command), a list of words without a shell and without secrets, run in C(pod) or in every ready
            pod with C(labels) or behind C(service), or with C(once) in one of them, once for all criteria that ask it.
            C(container), C(namespace). Not run in check mode, where the verdict is V(error)."
          - "C(prometheus): C(query) in PromQL. C(range), seconds back from now, or C(since), seconds since the epoch,
            make it a range query with C(step) seconds between points. C(max_age), seconds a sample may be old (120),
            and C(fresh), the series whose samples must be so young, required where the query is more than a selector."
          - "C(alertmanager): C(matchers), such as C(severity=\"critical\"), all of which an alert must meet. C(since),
            only alerts that began then. C(watchdog), the alert that always fires (C(Watchdog)), without which silence
            says nothing."
          - "C(opensearch): C(index), a name or pattern. C(query) in the syntax of the search box. C(range), whole
            seconds back from now that count. C(time_field) (C(@timestamp)). A field of the query that no document has
            is V(insufficient)."
          - "C(logs): C(labels), a selector of pods, and C(range), whole seconds back from now that count. C(matching),
            a regular expression for the lines that count, by default those that say error, fatal, panic or critical.
            C(container), C(namespace). Without a line in the range it is V(insufficient)."
          - "C(grafana): C(dashboard), its title or uid. C(range), seconds back from now in which a panel must have
            data (3600). C(variables) of the dashboard."
          - "C(sonarqube): C(project), its key, and C(branch). C(task), path of the C(report-task.txt) that the scanner
            wrote, so that this analysis is meant. C(revision), C(version) and C(newer_than) it has to be of.
            C(token_as_user) for servers before 10. Waits for the server to be done with the analysis."
          - "C(sql): C(query), one SELECT, run in a read-only transaction that is rolled back. At most 10,000 rows."
          - "C(redis): C(host), C(port) (6379), C(db), C(username) with a password, C(tls), C(ca_cert). C(duration),
            seconds over which hits and misses are counted, by default since the server started. C(pattern) of the keys
            that C(lasting_keys) is about."
          - "C(k6): a summary by C(handleSummary), C(--summary-export) or C(--new-machine-readable-summary).
            C(exit_code), how k6 ended. C(failed_at_most) (0.01), a test in which more of the requests failed says
            nothing about the service."
          - "C(junit): JUnit XML, or JSON of pytest-json-report. Tests are counted and not believed."
          - "C(coverage): Cobertura XML, or JSON of coverage.py."
          - "C(trivy): C(artifact), what was scanned in Trivy's words (C(container_image), whose report has to name the
            digest, that of the repository or the image id). C(ignore_unfixed), only what has a fix counts.
            C(accepted), a list of C(CVE-2026-1234 until 2026-12-31), which do not count up to that day."
          - "C(licences): a bill of materials in CycloneDX or SPDX 2 as JSON, which Black Duck exports, too.
            C(allowed), SPDX ids or licences in the words of the report. C(cleared), parts that somebody looked at,
            NAME or NAME@VERSION."
          - "C(model): predicted and actual values from the CSV file C(path), or from the result of C(query) in a
            database. C(predicted) and C(actual) name the columns, C(time_column) the one whose newest value says when
            the values were made. Actual values closer to 0 than C(floor) do not count for C(mape)."
          - "C(json): any JSON file. C(time_key) and C(version_key), where it says when and for which version it was
            made. C(provided), a JMESPath expression that has to be true for it to say anything."
          - "C(file): C(path). Of the files that a pattern such as C(/backups/*.dump) names the newest counts."
          - "C(command): C(command), a list of words without a shell and without secrets, run in C(folder) on the
            machine that evaluates. It may only look, for it is run in check mode, too. What it prints shows in the
            verdict."
        type: dict
        required: true
      select:
        description:
          - Which value.
          - "Where a dotted key, JMESPath or a regular expression is possible, the first group of the expression
            counts, and C(in UNIT) after it says in what a number is, as in C(took in ms)."
          - "C(http) and C(service): C(status), C(latency) of good answers, C(error_share) of answers from 400 on and
            of requests without a complete answer, C(failures_in_a_row) of these, C(header:NAME), or a dotted key,
            JMESPath or regular expression between slashes in the body of a good answer. C(http) also
            C(certificate_age_left)."
          - "C(witness): C(error_share), C(failed), C(lost), C(requests), C(wrong_version), C(p50), C(p95), C(p99)."
          - "C(judge): C(error_share) and C(slow_share), which may be looked at as often as one likes, or C(shift), the
            test of Mann and Whitney as Kayenta has it, of 12 intervals at least, to be looked at once. Expect C(==
            \"pass\")."
          - "C(kubernetes): C(exists), C(count), C(condition:TYPE). Of workloads C(desired), C(updated), C(ready),
            C(available), C(ready_share), C(restarts), C(broken_pods), C(image_digest), C(deviations) from C(env) and
            C(resources). Of a Node C(capacity:RESOURCE). Of a Service C(endpoints), of a
            HorizontalPodAutoscaler C(at_maximum), of a Job or CronJob C(success_age), of a Certificate
            C(certificate_age_left), of a ResourceQuota C(used_share) or C(used_share:RESOURCE), of a Secret or
            ConfigMap C(missing_keys). Without an C(object_kind) C(server_version). Or a dotted key or JMESPath in the
            object, but not in a Secret. Each object is a sample. An object that is not there is V(error), and none
            that matches V(insufficient), but for C(exists) and C(count)."
          - "C(exec): C(exit_code), C(output), or something in the output."
          - "C(prometheus): C(value) or C(value in UNIT), C(series), how many there are, C(age) of the oldest sample.
            An empty result, NaN, infinity and a partial answer are V(insufficient)."
          - "C(alertmanager): C(firing), C(silenced) or all C(alerts)."
          - "C(opensearch): C(count), C(rate), C(health)."
          - "C(logs): C(count), C(rate), or C(kinds) of lines, which are alike but for numbers, times, identifiers and
            what is quoted. Expect of these that they are C(in baseline)."
          - "C(grafana): C(exists), C(panels), C(empty_panels), C(data_share)."
          - "C(sonarqube): C(status) of the quality gate, C(hotspots) nobody reviewed, or a metric such as
            C(coverage)."
          - "C(sql): a column, C(COLUMN in UNIT), or C(rows), how many there are. Each row is a sample. No rows and
            NULL are V(insufficient). A time without a time zone does not say when it was, so ask for an age instead."
          - "C(redis): C(ping), C(latency), C(hits), C(misses), C(hit_share), C(keys), C(lasting_keys), which never
            expire, C(memory_share), or a field of INFO."
          - "Every report: C(age)."
          - "C(k6): C(thresholds), whether all were met, C(error_share), C(requests), C(checks), the latencies C(avg),
            C(min), C(med), C(max), C(p90), C(p95), C(p99), or METRIC.STATISTIC such as
            C(http_req_duration{name:login}.p95)."
          - "C(junit): C(tests), C(passed), C(failed), C(skipped), which are expected failures, too, C(passed_share) of
            those that ran, C(duration)."
          - "C(coverage): C(line_share), C(branch_share), C(lines)."
          - "C(trivy): C(critical), C(high), C(medium), C(low), C(unknown), C(vulnerabilities), C(misconfigurations)."
          - "C(licences): C(parts), C(forbidden), C(unknown), C(not_allowed), which is both."
          - "C(model): C(mape), C(r2), C(mae) and C(rmse), as in C(rmse in kW)."
          - "C(json): a dotted key or JMESPath."
          - "C(file): C(exists), C(age), C(size), C(sha256), or a regular expression between slashes in its text."
          - "C(command): C(exit_code), C(output), C(seconds), or something in the output."
        type: str
        required: true
      aggregate:
        description:
          - How many values become one. Required when they differ.
          - Percentiles are by nearest rank.
        type: str
        choices: [count, last, avg, sum, min, max, p50, p90, p95, p99]
      expect:
        description:
          - What the value must be, for example C(< 500 ms), C(>= 95 %), C(== "ok"), C(== true) or C(200..299).
          - C(within 1 h) is about an age, or a point in time with its time zone (ISO 8601, or seconds or milliseconds
            since the epoch).
          - C(<= 2 x baseline) compares with what the criterion of this name measured before the release, see
            O(baseline). C(in baseline) is about kinds, of which none may be new.
          - C(>= v1.28) compares versions, only by the parts that are written.
          - Units are compared by what they mean. A latency needs a unit, a share may be given in C(%), a bare number
            in a body is taken to be in the unit of the threshold.
          - Times in C(ns), C(us), C(ms), C(s), C(min), C(h), C(d). Bytes in C(B), C(kB), C(MB), C(GB), C(TB), C(KiB),
            C(MiB), C(GiB), C(TiB). Power in C(W), C(kW), C(MW). Voltage in C(mV), C(V), C(kV). Rates in C(/s),
            C(/min), C(/h).
        type: raw
        required: true
      severity:
        description: A V(blocking) criterion keeps the gate closed, an V(advisory) one is only reported.
        type: str
        choices: [blocking, advisory]
        default: blocking
      samples:
        description:
          - How many observations the verdict needs.
          - C(http) and C(service) make that many requests, C(witness) waits for that many answers. Of a load test
            requests count, of tests those that ran, of coverage lines, of a model pairs of values.
        type: int
        default: 1
      timeout:
        description: Seconds this criterion may take.
        type: float
        default: 10
      remedy:
        description: One sentence that is shown when the criterion does not pass.
        type: str
"""
