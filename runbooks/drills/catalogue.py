"""Every drill, in the order in which they are listed."""

from runbooks.drills import (
    brownout,
    grpc_hotspot,
    handshake_storm,
    hol_backend,
    hol_tcp,
    hol_worker,
    retry_storm,
    slow_body,
    slow_header,
    slow_reader,
)
from runbooks.drills.drill import Drill

DRILLS: dict[str, Drill] = {
    drill.name: drill
    for drill in (
        retry_storm.DRILL,
        grpc_hotspot.DRILL,
        handshake_storm.DRILL,
        slow_header.DRILL,
        slow_body.DRILL,
        slow_reader.DRILL,
        brownout.DRILL,
        hol_tcp.DRILL,
        hol_worker.DRILL,
        hol_backend.DRILL,
    )
}
