"""How Celery runs, and the beat table.

State lives in rows, so nothing is wrong if a message is lost, doubled or late: a tick looks at what is
due. The redelivery settings were measured: without both `unacked_restore` options a message of a killed
worker comes back after 100 s, with them after about 5 s.
"""

from django.conf import settings

VISIBILITY_TIMEOUT_SECONDS = 120

broker_url = settings.CELERY_BROKER_URL
broker_connection_retry_on_startup = True
broker_transport_options = {
    "visibility_timeout": VISIBILITY_TIMEOUT_SECONDS,
    "unacked_restore_interval": 1,
    "unacked_restore_throttle": 1,
}
result_backend_transport_options = {"visibility_timeout": VISIBILITY_TIMEOUT_SECONDS}
visibility_timeout = VISIBILITY_TIMEOUT_SECONDS

task_acks_late = True
task_reject_on_worker_lost = True
task_retry_on_worker_lost = 3
task_ignore_result = True
task_soft_time_limit = 20
task_time_limit = 30
worker_prefetch_multiplier = 1
worker_soft_shutdown_timeout = 5.0
worker_hijack_root_logger = False
worker_redirect_stdouts = False
timezone = "UTC"


def every(seconds: float, task: str) -> dict[str, object]:
    """A tick that waited longer than its interval has been overtaken by the next one: it expires unread."""
    return {"task": task, "schedule": seconds, "options": {"expires": seconds}}


beat_schedule = {
    "judge rollouts": every(1, "canary.tick"),
    "ask hooks": every(1, "canary.ask"),
    "begin waves": every(2, "canary.release"),
    "send messages": every(1, "alerts.deliver"),
    "call people": every(2, "alerts.watch"),
    "send events": every(2, "alerts.dispatch"),
    "run runbooks": every(3, "runbooks.tick"),
    "call for runbooks": every(1, "runbooks.call"),
    "close lost drills": every(30, "runbooks.close_lost_drills"),
    "read proxies back": every(5, "proxy.readback"),
    "watch observed proxies": every(15, "proxy.watch"),
    "expire overlays": every(5, "proxy.expire"),
    "keep objectives": every(15, "slo.tick"),
    "count hours": every(60, "slo.count"),
    "warn of budgets": every(60, "slo.warn"),
    "watch added latency creep": every(300, "slo.creep"),
    "publish rules": every(60, "slo.publish"),
    "measure loads": every(10, "canary.measure"),
    "measure capacity": every(300, "canary.capacity"),
    "see that it lives": every(15, "dashboard.alive"),
    "forget old evidence": every(3600, "canary.prune"),
}
