"""Composition: what every process of Sluice has in common. Imported by nobody but Django and Celery."""

import gc

# A tick holds some hundred thousand samples for a moment, none of them in a cycle, and Python looks for
# cycles each time that 700 more are there: a third of a tick at 1,000 objectives, and growing with them.
gc.set_threshold(20_000, 20, 20)
