"""The names of all Prometheus metrics of ours, in one place: processes export them, dashboards and alerts read them.

Seconds and US dollars, `_total` for counters. Candidates are few and may be labels; clients and prompts never are.
"""

SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Buckets of times, shared so that endpoint and gateway can be laid over one another."""

# Gateway.
REQUESTS = "modelsat_requests_total"
FALLBACKS = "modelsat_fallbacks_total"
UPSTREAM_FAULTS = "modelsat_upstream_faults_total"
UPSTREAM_OUT = "modelsat_upstream_out"
ROUTING_SECONDS = "modelsat_routing_seconds"
UPSTREAM_SECONDS = "modelsat_upstream_seconds"
SUCCESS_PROBABILITY = "modelsat_success_probability"
EXPECTED_COST = "modelsat_expected_cost_usd_total"
BEST_SINGLE_COST = "modelsat_expected_cost_of_best_single_usd_total"
TOKENS = "modelsat_tokens_total"
PAID = "modelsat_paid_usd_total"
PAID_COMPARED = "modelsat_paid_beside_best_single_usd_total"
PAID_BEST_SINGLE = "modelsat_paid_had_best_single_answered_usd_total"
UNCOUNTED = "modelsat_answers_without_usage_total"
PROMISED_SUCCESS = "modelsat_feedback_promised_success_total"
REALISED_SUCCESS = "modelsat_feedback_realised_success_total"
RATED = "modelsat_feedback_rated_answers_total"
DEAREST_SHARE = "modelsat_dearest_share_max"
ESCALATIONS = "modelsat_escalations_total"
SESSIONS_OUT = "modelsat_sessions_out"
FEEDBACK = "modelsat_feedback_total"
FEEDBACK_LOST = "modelsat_feedback_lost_total"

# Endpoint.
DECISIONS = "modelsat_decisions_total"
DECISION_SECONDS = "modelsat_decision_seconds"
PROMPTS = "modelsat_prompts_total"
PROMPTS_WAITING = "modelsat_prompts_waiting"
MIX_DISTANCE = "modelsat_mix_distance"
EXPECTED_SHARE = "modelsat_expected_share"
READY = "modelsat_ready"
ROUTER_INFO = "modelsat_router_info"
CANDIDATE_INFO = "modelsat_candidate_info"
NOT_TRAINED_ON = "modelsat_candidates_not_trained_on"
EPOCH = "modelsat_champion_epoch"
PROMOTED_AT = "modelsat_champion_promoted_timestamp_seconds"
CHAMPIONS_REFUSED = "modelsat_champions_refused_total"

# Both.
REFUSED = "modelsat_refused_total"
