"""OpenSLO v1, in and out: https://github.com/OpenSLO/OpenSLO

What maps to what, and what cannot be expressed, is in docs/openslo.md.
"""
