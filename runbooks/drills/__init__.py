"""Drills: a failure mode made real, without its defence and with it, and its runbook watched at work.

A drill is a module here that ends in a `Drill` (`drill.py`), and a line in `catalogue.py`. Its sides are
small worlds (`world.py`): real Envoys on free ports, rendered from a declared tier, lab backends in this
process, bounded load to the loopback address. A side is an async function:

    async def undefended(world: World) -> Measured:
        backend = await world.backend("backend-a", fault=Fault(error_rate=1.0, status=503))
        edge = await world.envoy({"upstreams": [...], "routes": [...]})   # a tier without name and proxies
        answers = await volley(Target(edge.http_port, "drill.test"), world.count(200), at_once=20)
        return Measured(values={"backend": backend.counts.total}, curves={"rate": [(0.0, 1.0), ...]})

- `world.count` and `world.seconds` make it short in tests. Whatever `world` started ends with the side, in
  reverse order; `await world.enter(...)` does so with any async context manager, `world.enter_sync(...)`
  with a plain one. Nothing that a side does may block the loop for long: backends and load live in it.
- Load is by `lab/drills/load.py` (HTTP/1.1) or a tool of the drill's own in `lab/drills/`, which imports no
  app, speaks to 127.0.0.1 only and is bounded in number, rate and time.
- `values` has a key for each `Row` of the drill, `curves` one for each `Plot`; what was not measured is None.
- `judge` compares sides and returns `Check`s: the defence held when there is one and all are true. It must
  also say that the failure was real, by what the side without the defence showed.
- `live` names the runbook and injects the failure into the running lab: an async context manager that gets a
  `Lab` (`lab.py`) and heals on leaving, whatever happens. `watching.py` does the rest.
- Tests: `tests/drills/test_sides.py` plays every drill of the catalogue in short form on real Envoys.
  `docs/drills.md` gets a line.
"""
