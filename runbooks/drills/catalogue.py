"""Every drill, in the order in which they are listed."""

from runbooks.drills import brownout, grpc_hotspot, handshake_storm, hol_backend, retry_storm
from runbooks.drills.drill import Drill

DRILLS: dict[str, Drill] = {
    drill.name: drill
    for drill in (
        retry_storm.DRILL,
        grpc_hotspot.DRILL,
        handshake_storm.DRILL,
        brownout.DRILL,
        hol_backend.DRILL,
    )
}
