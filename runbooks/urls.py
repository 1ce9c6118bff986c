"""Addresses of runs and runbooks."""

from django.urls import path

from runbooks import views, views_drills, views_own, views_starting, views_steps, views_taking

LIVE = {"fragment": "#live"}

urlpatterns = [
    path("runs/", views.runs, name="runs"),
    path("runs/live/", views.runs, LIVE, name="runs-live"),
    path("runs/switch/", views.set_switch, name="runs-switch"),
    path("runs/<int:run_id>/", views.run, name="run"),
    path("runs/<int:run_id>/live/", views.run, LIVE, name="run-live"),
    path("runs/<int:run_id>/approve/", views.approve, name="run-approve"),
    path("runs/<int:run_id>/deny/", views.deny, name="run-deny"),
    path("runs/<int:run_id>/cancel/", views.cancel, name="run-cancel"),
    path("runs/<int:run_id>/take/", views_taking.take, name="run-take"),
    path("runs/<int:run_id>/give-back/", views_taking.give_back, name="run-give-back"),
    path("runs/<int:run_id>/extend/", views_taking.extend, name="run-extend"),
    path("runs/<int:run_id>/answer/", views_steps.answer, name="run-answer"),
    path("runs/<int:run_id>/settle/", views_steps.settle, name="run-settle"),
    path("runbooks/<slug:slug>/start/", views_starting.plan, name="runbook-start"),
    path("runbooks/<slug:slug>/rehearse/", views_starting.rehearse, name="runbook-rehearse"),
    path("runbooks/<slug:slug>/begin/", views_starting.start, name="runbook-begin"),
    path("runbooks/<slug:slug>/", views.runbook, name="runbook"),
    path("runbooks/<slug:slug>/mode/", views.set_mode, name="runbook-mode"),
    path("runbooks/<slug:slug>/history/", views_own.history, name="runbook-history"),
    path("runbooks/<slug:slug>/delete/", views_own.delete, name="runbook-delete"),
    path("drills/", views_drills.drills, name="drills"),
    path("drills/live/", views_drills.drills, LIVE, name="drills-live"),
    path("drills/<int:number>/", views_drills.report, name="drill"),
    path("drills/<int:number>/live/", views_drills.report, LIVE, name="drill-live"),
    path("drills/<int:number>/report.<str:kind>", views_drills.report_file, name="drill-file"),
    path("drills/<slug:name>/start/", views_drills.start, name="drill-start"),
]
