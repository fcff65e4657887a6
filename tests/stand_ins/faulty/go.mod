module runbook.release/tests/stand_ins/faulty

go 1.25
