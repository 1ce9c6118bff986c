"""Every drill, in the order in which they are listed."""

from runbooks.drills import retry_storm
from runbooks.drills.drill import Drill

DRILLS: dict[str, Drill] = {drill.name: drill for drill in (retry_storm.DRILL,)}
