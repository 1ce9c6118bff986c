"""The tier in the database: revisions hold what is served, rows mirror it for pages and foreign keys."""

from django.db import models


class Tier(models.Model):
    """A set of proxies. `generation` grows with every change of what they should serve."""

    name = models.CharField(max_length=63, unique=True)
    generation = models.PositiveBigIntegerField(default=0)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class Mirror(models.Model):
    """A row that mirrors a part of the declaration. A part that goes is retired, so that history keeps its
    key.
    """

    name = models.CharField(max_length=120)
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.name


class Proxy(Mirror):
    """One Envoy, what it acknowledged, and what it was last seen to run."""

    tier = models.ForeignKey(Tier, on_delete=models.CASCADE, related_name="proxies")
    address = models.CharField(max_length=255)
    http_port = models.PositiveIntegerField()
    https_port = models.PositiveIntegerField()
    admin_port = models.PositiveIntegerField()
    admin_tls_port = models.PositiveIntegerField(null=True, blank=True)
    connected_at = models.DateTimeField(null=True, blank=True)
    connected_to = models.CharField(max_length=200, blank=True)
    identity_ends_at = models.DateTimeField(null=True, blank=True)
    last_seen = models.DateTimeField(null=True, blank=True)
    acked_generation = models.PositiveBigIntegerField(default=0)
    acked_at = models.DateTimeField(null=True, blank=True)
    weights_generation = models.PositiveBigIntegerField(default=0)
    nack_generation = models.PositiveBigIntegerField(default=0)
    nack_type = models.CharField(max_length=120, blank=True)
    nack_reason = models.TextField(blank=True)
    nack_at = models.DateTimeField(null=True, blank=True)
    drift = models.JSONField(default=list)
    read_at = models.DateTimeField(null=True, blank=True)
    trouble = models.TextField(blank=True)

    class Meta:
        ordering = ("name",)
        verbose_name_plural = "proxies"
        constraints = [models.UniqueConstraint("tier", "name", name="proxy_name_in_tier")]


class Upstream(Mirror):
    """A set of backends."""

    tier = models.ForeignKey(Tier, on_delete=models.CASCADE, related_name="upstreams")
    protocol = models.CharField(max_length=16)

    class Meta:
        ordering = ("name",)
        constraints = [models.UniqueConstraint("tier", "name", name="upstream_name_in_tier")]


class Endpoint(Mirror):
    """One backend instance; its name is its label."""

    upstream = models.ForeignKey(Upstream, on_delete=models.CASCADE, related_name="endpoints")
    address = models.CharField(max_length=255)
    port = models.PositiveIntegerField()

    class Meta:
        ordering = ("name",)
        constraints = [models.UniqueConstraint("upstream", "name", name="endpoint_name_in_upstream")]


class Registration(models.Model):
    """The endpoints that a service registry pushed for an upstream last. Its silence takes none of them.

    `audited` are the labels that the audit knows: what came and went since is told at most once a minute.
    """

    upstream = models.OneToOneField(Upstream, on_delete=models.CASCADE, related_name="registration")
    endpoints = models.JSONField(default=list)
    by = models.CharField(max_length=150)
    changed_at = models.DateTimeField()
    pushed_at = models.DateTimeField()
    audited = models.JSONField(default=list)
    audited_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"endpoints of {self.upstream_id}"


class Route(Mirror):
    """A route; `split` is its base, in basis points. What is live now is in the selectors."""

    tier = models.ForeignKey(Tier, on_delete=models.CASCADE, related_name="routes")
    hosts = models.JSONField(default=list)
    prefix = models.CharField(max_length=1024)
    split = models.JSONField(default=dict)

    class Meta:
        ordering = ("name",)
        constraints = [models.UniqueConstraint("tier", "name", name="route_name_in_tier")]


class Revision(models.Model):
    """One published base configuration: `document` is the declared tier with every default spelt out."""

    tier = models.ForeignKey(Tier, on_delete=models.CASCADE, related_name="revisions")
    number = models.PositiveIntegerField()
    document = models.JSONField()
    digest = models.CharField(max_length=64)
    by = models.CharField(max_length=150)
    reason = models.TextField(blank=True)
    at = models.DateTimeField()

    class Meta:
        ordering = ("-number",)
        constraints = [models.UniqueConstraint("tier", "number", name="revision_number_in_tier")]

    def __str__(self) -> str:
        return f"{self.tier_id} r{self.number}"


class Target(models.Model):
    """Something that overlays may change. Outlives its overlays: the floor is their tombstone."""

    tier = models.ForeignKey(Tier, on_delete=models.CASCADE, related_name="targets")
    name = models.CharField(max_length=200)
    fence = models.PositiveBigIntegerField(default=0)
    fence_floor = models.PositiveBigIntegerField(default=1)
    owner = models.CharField(max_length=120, blank=True)
    leased_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("name",)
        constraints = [models.UniqueConstraint("tier", "name", name="target_name_in_tier")]

    def __str__(self) -> str:
        return self.name


class Overlay(models.Model):
    """A leased change over the base. Live while `expires_at` is ahead and `fence` not below the target's
    floor.
    """

    target = models.OneToOneField(Target, on_delete=models.CASCADE, related_name="overlay")
    owner = models.CharField(max_length=120)
    patch = models.JSONField()
    fence = models.PositiveBigIntegerField()
    generation = models.PositiveBigIntegerField()
    reason = models.TextField(blank=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        ordering = ("target__name",)

    def __str__(self) -> str:
        return f"{self.owner} on {self.target_id}"


class ObservedTier(models.Model):
    """A tier that somebody else drives. `document` is its declaration."""

    name = models.CharField(max_length=63, unique=True)
    document = models.JSONField()
    declared_at = models.DateTimeField()

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class ObservedProxy(models.Model):
    """One Envoy of an observed tier, and what it was last seen to be configured with.

    `seen` is what `proxy.domain.observing` read, `digest` that of it; `looked_at` is the last look, `read_at`
    the last that worked, `trouble` why the last one did not.
    """

    tier = models.ForeignKey(ObservedTier, on_delete=models.CASCADE, related_name="proxies")
    name = models.CharField(max_length=63)
    admin = models.CharField(max_length=300, blank=True)
    seen = models.JSONField(null=True, blank=True)
    digest = models.CharField(max_length=64, blank=True)
    looked_at = models.DateTimeField(null=True, blank=True)
    read_at = models.DateTimeField(null=True, blank=True)
    trouble = models.TextField(blank=True)

    class Meta:
        ordering = ("name",)
        verbose_name_plural = "observed proxies"
        constraints = [models.UniqueConstraint("tier", "name", name="proxy_name_in_observed_tier")]

    def __str__(self) -> str:
        return self.name
