"""Which fields Envoy 1.40 knows in the messages that are read: another is a newer, an older or a vendor's.

Names only; a test compares them with the schema that the bundled binary embeds.
"""

_ENVOY = "envoy.config."
_HTTP = "envoy.extensions."

MESSAGES = {
    "Bootstrap": _ENVOY + "bootstrap.v3.Bootstrap",
    "Listener": _ENVOY + "listener.v3.Listener",
    "FilterChain": _ENVOY + "listener.v3.FilterChain",
    "HttpConnectionManager": _HTTP + "filters.network.http_connection_manager.v3.HttpConnectionManager",
    "RouteConfiguration": _ENVOY + "route.v3.RouteConfiguration",
    "VirtualHost": _ENVOY + "route.v3.VirtualHost",
    "Route": _ENVOY + "route.v3.Route",
    "RouteMatch": _ENVOY + "route.v3.RouteMatch",
    "RouteAction": _ENVOY + "route.v3.RouteAction",
    "RetryPolicy": _ENVOY + "route.v3.RetryPolicy",
    "Cluster": _ENVOY + "cluster.v3.Cluster",
    "Thresholds": _ENVOY + "cluster.v3.CircuitBreakers.Thresholds",
    "OutlierDetection": _ENVOY + "cluster.v3.OutlierDetection",
    "HttpProtocolOptions": _HTTP + "upstreams.http.v3.HttpProtocolOptions",
    "OverloadManager": _ENVOY + "overload.v3.OverloadManager",
    "StatsConfig": _ENVOY + "metrics.v3.StatsConfig",
}
"""The short names that the reader uses, and the whole ones."""

_TEXT = """
Bootstrap:
  admin application_log_config bootstrap_extensions certificate_provider_instances cluster_manager
  config_sources default_config_source default_regex_engine default_socket_interface
  deferred_stat_options dns_resolution_config dynamic_resources enable_dispatcher_stats
  enable_worker_cpu_affinity fatal_actions flags_path grpc_async_client_manager_config hds_config
  header_prefix inline_headers layered_runtime listener_manager memory_allocator_manager node
  node_context_params overload_manager perf_tracing_file_path static_resources stats_config
  stats_eviction_interval stats_flush_interval stats_flush_on_admin stats_server_version_override
  stats_sinks tracing typed_dns_resolver_config use_tcp_for_dns_lookups watchdog watchdogs
  xds_config_tracker_extension xds_delegate_extension
Listener:
  access_log additional_addresses address api_listener bind_to_port bypass_overload_manager
  connection_balance_config continue_on_listener_filters_timeout default_filter_chain deprecated_v1
  drain_type enable_mptcp enable_reuse_port fcds_config filter_chain_matcher filter_chains freebind
  ignore_global_conn_limit internal_listener listener_filters listener_filters_timeout
  max_connections_to_accept_per_socket_event metadata name per_connection_buffer_high_watermark_timeout
  per_connection_buffer_limit_bytes reuse_port socket_options stat_prefix stats_matcher tcp_backlog_size
  tcp_fast_open_queue_length tcp_keepalive traffic_direction transparent udp_listener_config
  use_original_dst
FilterChain:
  filter_chain_match filters metadata name transport_socket transport_socket_connect_timeout
  use_proxy_proto
HttpConnectionManager:
  access_log access_log_flush_interval access_log_options add_proxy_protocol_connection_state
  add_user_agent always_set_request_id_in_response append_local_overload append_x_forwarded_port
  codec_type common_http_protocol_options delayed_close_timeout drain_timeout drain_timeout_jitter
  early_header_mutation_extensions flush_access_log_on_new_request forward_client_cert_details
  forward_client_cert_matcher forward_proto_config generate_request_id
  http1_safe_max_connection_duration http2_protocol_options http3_protocol_options http_filters
  http_protocol_options internal_address_config local_reply_config max_request_headers_kb merge_slashes
  normalize_path original_ip_detection_extensions path_normalization_options
  path_with_escaped_slashes_action preserve_external_request_id proxy_100_continue proxy_status_config
  rds record_route_resolution_stats represent_ipv4_remote_address_as_ipv4_mapped_ipv6
  request_headers_timeout request_id_extension request_timeout route_config scheme_header_transformation
  scoped_routes server_header_transformation server_name set_current_client_cert_details skip_xff_append
  stat_prefix stream_error_on_invalid_http_message stream_flush_timeout stream_idle_timeout
  strip_any_host_port strip_matching_host_port strip_trailing_host_dot tracing
  typed_header_validation_config upgrade_configs use_remote_address via xff_num_trusted_hops
RouteConfiguration:
  cluster_specifier_plugins ignore_path_parameters_in_path_matching ignore_port_in_host_matching
  internal_only_headers max_direct_response_body_size_bytes metadata most_specific_header_mutations_wins
  name request_headers_to_add request_headers_to_remove request_mirror_policies response_headers_to_add
  response_headers_to_remove route_specifiers typed_per_filter_config validate_clusters vhds
  vhost_header virtual_hosts
VirtualHost:
  cors domains hedge_policy include_attempt_count_in_response include_is_timeout_retry_header
  include_request_attempt_count matcher metadata name per_request_buffer_limit_bytes rate_limits
  request_body_buffer_limit request_headers_to_add request_headers_to_remove request_mirror_policies
  require_tls response_headers_to_add response_headers_to_remove retry_policy retry_policy_typed_config
  route_specifiers routes typed_per_filter_config virtual_clusters
Route:
  decorator direct_response filter_action match metadata name non_forwarding_action
  per_request_buffer_limit_bytes redirect request_body_buffer_limit request_headers_to_add
  request_headers_to_remove response_headers_to_add response_headers_to_remove route route_specifiers
  stat_prefix tracing typed_per_filter_config
RouteMatch:
  case_sensitive connect_matcher cookies dynamic_metadata filter_state grpc headers path
  path_match_policy path_separated_prefix prefix query_parameters runtime_fraction safe_regex
  tls_context
RouteAction:
  append_x_forwarded_host auto_host_rewrite cluster cluster_header cluster_not_found_response_code
  cluster_specifier_plugin cors early_data_policy flush_timeout grpc_timeout_offset hash_policy
  hedge_policy host_rewrite host_rewrite_header host_rewrite_literal host_rewrite_path_regex
  idle_timeout include_vh_rate_limits inline_cluster_specifier_plugin internal_redirect_action
  internal_redirect_policy max_grpc_timeout max_internal_redirects max_stream_duration metadata_match
  path_rewrite path_rewrite_policy prefix_rewrite priority rate_limits regex_rewrite
  request_mirror_policies retry_policy retry_policy_typed_config timeout upgrade_configs
  weighted_clusters
RetryPolicy:
  host_selection_retry_max_attempts num_retries per_try_idle_timeout per_try_timeout
  rate_limited_retry_back_off refresh_cluster_on_retry retriable_headers retriable_request_headers
  retriable_status_codes retry_back_off retry_host_predicate retry_on retry_options_predicates
  retry_priority
Cluster:
  alt_stat_name circuit_breakers cleanup_interval close_connections_on_host_health_failure cluster_type
  common_http_protocol_options common_lb_config connect_timeout
  connection_pool_per_downstream_connection dns_failure_refresh_rate dns_jitter dns_lookup_family
  dns_refresh_rate dns_resolution_config dns_resolvers eds_cluster_config filters health_checks
  http2_protocol_options http_protocol_options ignore_health_on_host_removal lb_policy lb_subset_config
  least_request_lb_config load_assignment load_balancing_policy lrs_report_endpoint_metrics lrs_server
  maglev_lb_config max_requests_per_connection metadata name original_dst_lb_config outlier_detection
  per_connection_buffer_high_watermark_timeout per_connection_buffer_limit_bytes preconnect_policy
  protocol_selection queuing_policies respect_dns_ttl ring_hash_lb_config round_robin_lb_config
  stats_matcher track_cluster_stats track_timeout_budgets transport_socket transport_socket_matcher
  transport_socket_matches type typed_dns_resolver_config typed_extension_protocol_options
  upstream_bind_config upstream_config upstream_connection_options upstream_http_protocol_options
  use_tcp_for_dns_lookups wait_for_warm_on_init
Thresholds:
  max_connection_pools max_connections max_pending_requests max_requests max_retries priority
  retry_budget track_remaining
OutlierDetection:
  always_eject_one_host base_ejection_time consecutive_5xx consecutive_gateway_failure
  consecutive_local_origin_failure detect_degraded_hosts enforcing_consecutive_5xx
  enforcing_consecutive_gateway_failure enforcing_consecutive_local_origin_failure
  enforcing_failure_percentage enforcing_failure_percentage_local_origin
  enforcing_local_origin_success_rate enforcing_success_rate failure_percentage_minimum_hosts
  failure_percentage_request_volume failure_percentage_threshold interval max_ejection_percent
  max_ejection_time max_ejection_time_jitter monitors split_external_local_origin_errors
  success_rate_minimum_hosts success_rate_request_volume success_rate_stdev_factor
  successful_active_health_check_uneject_host
HttpProtocolOptions:
  auto_config common_http_protocol_options explicit_http_config hash_policy header_validation_config
  http_filters outlier_detection request_mirror_policies retry_policy upstream_http_protocol_options
  use_downstream_protocol_config
OverloadManager:
  actions buffer_factory_config loadshed_points refresh_interval resource_monitors
StatsConfig:
  allow_default_tag_overrides histogram_bucket_settings stats_matcher stats_tags use_all_default_tags
"""


def _read(text: str) -> dict[str, frozenset[str]]:
    found: dict[str, list[str]] = {}
    names: list[str] = []
    for line in text.split("\n"):
        if line.endswith(":"):
            names = found.setdefault(line.removesuffix(":"), [])
        else:
            names += line.split()
    return {message: frozenset(fields) for message, fields in found.items()}


FIELDS = _read(_TEXT)
"""The field names of each message, by its short name."""
