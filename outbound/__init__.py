"""Requests to services of others, signed: where one may go, whose secret signs it, and one POST.

No Django app: it keeps nothing. What is asked and what an answer means is the caller's.
"""
