#!/bin/sh
# Once before everything: the database, the first administrator, the tier, and what each Envoy is started with.
# A tier that the database knows already is not declared again: it may have been changed since, from the pages.
set -eu
# The key that sessions are signed with, where the environment gives none.
if [ -z "${SLUICE_SECRET_KEY:-}" ] && [ ! -s "$SLUICE_VAR/secret-key" ]; then
    (umask 077; python -c 'import secrets; print(secrets.token_urlsafe(50))' > "$SLUICE_VAR/secret-key")
fi
python manage.py migrate --noinput
python manage.py collectstatic --noinput --verbosity=0
python manage.py setup_admin
python manage.py export edge > /dev/null 2>&1 || python manage.py apply "$SLUICE_TIER_FILE" --by setup
mkdir -p "$SLUICE_VAR/envoy"
for proxy in edge-1 edge-2; do
    python manage.py bootstrap "$proxy" --ads "${SLUICE_ADS_ADDRESSES:-xds:18000,xds-2:18000}" --output "$SLUICE_VAR/envoy/$proxy.json"
done
