"""What Sluice and its proxies cost, measured side by side: `make bench`. docs/bench.md says how to read it.

Nothing here is imported by the apps. Every process that is measured listens on a free loopback port and ends
with its measurement.
"""
