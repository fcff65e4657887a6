#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Make the data folder and the database on the first start, with what the environment says, then become the server.
set -eu
umask 077
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    printf '%s' "$POSTGRES_PASSWORD" > /tmp/password
    initdb --username="${POSTGRES_USER:-postgres}" --pwfile=/tmp/password --auth-host=scram-sha-256 --auth-local=trust \
        --locale=C.UTF-8 --encoding=UTF8 --no-instructions
    rm /tmp/password
    echo 'host all all all scram-sha-256' >> "$PGDATA/pg_hba.conf"
    echo "create database \"$POSTGRES_DB\"" | postgres --single -j postgres
fi
exec postgres -clisten_addresses='*' "$@"
