//! Contract 6, clause by clause.
use super::Promise;

pub const PROMISES: &[Promise] = &[
    (
        r"`POST` to `ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP`.",
        &[
            "walk::one_signup_becomes_a_credit_and_a_billing_call",
            "walk::one_payment_reaches_the_target_and_pays_the_referrer",
            "delivering::a_hint_is_delivered_once",
        ],
    ),
    (
        r"`%s` in it becomes the credited user's hash, percent-encoded; without `%s` the hash is appended as a path segment.",
        &[
            "target::the_hash_is_put_in_or_appended",
            "target::a_hash_never_leads_elsewhere",
            "delivering::a_hint_is_delivered_once",
            "delivering::the_json_format",
        ],
    ),
    (
        r"| `form` (default, the seed's) | `application/x-www-form-urlencoded`, exactly `amount=10.00&program_name=Default&user_indicator_hash=HASH` |",
        &[
            "body::the_form_is_exactly_the_contracts",
            "tests::billings_defaults_are_the_contracts",
            "walk::one_signup_becomes_a_credit_and_a_billing_call",
        ],
    ),
    (
        r#"| `json` | `{"type":"credit.granted","timestamp":RFC3339,"data":{"delivery_id","user_hash","kind":"signup_credit"\|"acquired_credit","amount":"10.00","currency","program_id","program_name","user_indicator_hash","referred_user_hash"}}`; `timestamp` is when the credit was granted |"#,
        &["body::the_json_is_exactly_the_contracts", "delivering::the_json_format"],
    ),
    (
        r"Form encoding is the WHATWG one (a space is `+`).",
        &["body::the_form_is_exactly_the_contracts"],
    ),
    (
        r"`user_indicator_hash` is the referrer's in both kinds.",
        &[
            "walk::one_signup_becomes_a_credit_and_a_billing_call",
            "walk::one_payment_reaches_the_target_and_pays_the_referrer",
        ],
    ),
    (
        r"The body is the same bytes on every attempt.",
        &[
            "answers::a_failure_is_tried_again_on_schedule",
            "crashes::killed_before_the_outcome_it_is_repeated_after_the_lease",
            "billing::whatever_the_receiver_does_each_credit_is_charged_once",
        ],
    ),
    (
        r"Headers: `webhook-id` (the delivery's id, the same on every attempt), `webhook-timestamp`",
        &[
            "delivering::a_hint_is_delivered_once",
            "answers::a_broken_exchange_is_repeated_with_the_same_id",
        ],
    ),
    (
        r", `webhook-signature` by Standard Webhooks (`v1,` + base64 HMAC-SHA256 of `id.timestamp.body`",
        &[
            "sign::published_vectors",
            "sign::as_the_reference_does",
            "delivering::a_hint_is_delivered_once",
            "receivers::the_receiver_in_python_charges_each_credit_once",
            "receivers::the_receiver_in_node_charges_each_credit_once",
            "receivers::the_receiver_in_rust_charges_each_credit_once",
        ],
    ),
    (
        r"; several space-separated while secrets rotate: `WEBHOOK_SECRETS=whsec_new,whsec_old`",
        &[
            "sign::every_secret_signs_and_none_is_no_signature",
            "delivering::a_hint_is_delivered_once",
        ],
    ),
    (
        r"; none set: unsigned, with a warning at start)",
        &["delivering::the_json_format", "billing::without_secrets_the_start_warns"],
    ),
    (
        r", `idempotency-key` = `webhook-id`, `traceparent`.",
        &["delivering::a_hint_is_delivered_once"],
    ),
    (
        r"Success is any 2xx status, whatever becomes of the body after it.",
        &["outcome::what_an_exchange_means", "answers::a_success_that_drips_is_a_success"],
    ),
    (
        r"Everything else, a time-out (`BILLING_TIMEOUT`, 15 s for the whole exchange) or a broken connection is a failed attempt.",
        &[
            "outcome::what_an_exchange_means",
            "tests::billings_defaults_are_the_contracts",
            "answers::a_success_that_drips_is_a_success",
            "answers::a_broken_exchange_is_repeated_with_the_same_id",
            "network::a_head_that_drips_is_a_time_out",
            "network::an_unknown_host_is_a_failed_attempt",
            "network::nothing_is_sent_to_whom_no_authority_vouches_for",
            "network::a_kept_connection_that_was_closed_costs_no_attempt",
        ],
    ),
    (r"Redirects are not followed.", &["network::a_redirect_is_followed_nowhere"]),
    (
        r"At most 64 KiB of an answer is read; the first 1 KiB is kept with the attempt.",
        &[
            "network::a_gigabyte_of_answer_leaves_memory_flat",
            "answers::a_huge_answer_is_cut",
            "send::an_answer_is_kept_as_text",
        ],
    ),
    (
        r"Retries: the n-th comes no earlier than 1 and no later than 1.5 times min(`BILLING_RETRY_MAX`, `BILLING_RETRY_INITIAL` × 4^(n-1)) after the failure (initial 5 s, maximum 6 h)",
        &[
            "schedule::the_schedule_of_contract_6",
            "schedule::a_first_pause_over_the_longest_is_the_longest",
            "schedule::never_early_and_never_later_than_half_as_long_again",
            "tests::billings_defaults_are_the_contracts",
            "answers::a_failure_is_tried_again_on_schedule",
            "answers::the_next_attempt_is_due_no_later_than_half_as_long_again",
        ],
    ),
    (
        r", for `BILLING_RETRY_FOR` (3 days); then the delivery is **dead**.",
        &[
            "schedule::the_schedule_of_contract_6",
            "outcome::the_window_counts_from_the_first_attempt",
            "answers::too_long_is_dead",
        ],
    ),
    (
        r"`Retry-After` (seconds or date) on 429 and 503 is obeyed where it is later than the schedule, up to the maximum.",
        &[
            "retry_after::seconds_or_a_date",
            "outcome::what_an_exchange_means",
            "schedule::the_schedule_of_contract_6",
            "answers::retry_after_is_obeyed",
        ],
    ),
    (r"410: dead at once.", &["outcome::what_an_exchange_means", "answers::gone_is_dead_at_once"]),
    (
        r"The schedule is durable: a killed worker, broker or database neither forgets an attempt nor makes one early.",
        &[
            "crashes::a_killed_process_neither_forgets_an_attempt_nor_makes_one_early",
            "crashes::a_database_that_is_away_at_the_outcome_costs_no_second_post",
            "delivering::without_a_broker_the_sweep_delivers",
            "kill::kill_9_of_any_program_at_any_moment_ends_in_the_models_state",
        ],
    ),
    (
        r"At-least-once: a crash after the POST and before its outcome is stored repeats it, with the same `webhook-id`.",
        &[
            "crashes::killed_before_the_outcome_it_is_repeated_after_the_lease",
            "crashes::killed_at_every_step",
            "billing::whatever_the_receiver_does_each_credit_is_charged_once",
        ],
    ),
    (
        r"Never is an attempt made for a delivery already known to be delivered.",
        &[
            "delivering::a_hint_is_delivered_once",
            "delivering::two_processes_deliver_each_once",
            "crashes::stopped_past_its_lease_a_process_changes_nothing",
            "crashes::a_lease_that_was_taken_over_is_another_s",
            "deliveries::a_delivery_is_shown_with_its_attempts_and_retried_by_hand",
        ],
    ),
    (
        r"A destination (scheme, host, port) that fails `BILLING_CIRCUIT_AFTER` (10) times in a row opens a circuit",
        &[
            "target::a_destination_is_scheme_host_and_port",
            "outcome::what_an_exchange_says_of_the_destination",
            "circuit::what_opens_and_closes_a_circuit",
            "circuit::as_a_look_at_the_whole_history_says",
            "tests::billings_defaults_are_the_contracts",
            "circuits::a_destination_that_refuses_connections_is_probed",
        ],
    ),
    (
        r": one probe at a time until it answers",
        &[
            "circuit::a_probe_has_its_turn_when_none_is_in_flight",
            "circuits::a_destination_that_fails_is_probed_while_others_go_on",
            "circuits::a_refusal_is_an_answer_and_too_many_requests_is_not",
            "circuits::the_turn_of_a_killed_process_ends_with_its_lease",
        ],
    ),
    (
        r": the oldest delivery that is due, an ordinary attempt of it",
        &["circuits::the_oldest_that_is_due_is_the_probe"],
    ),
    (
        r", at most one every `BILLING_PROBE` (1 s).",
        &[
            "circuits::a_destination_that_fails_is_probed_while_others_go_on",
            "tests::billings_defaults_are_the_contracts",
        ],
    ),
    (
        r"Attempts that the circuit puts off do not count and are made when it closes; other destinations go on at full speed.",
        &[
            "circuits::a_destination_that_fails_is_probed_while_others_go_on",
            "circuits::a_destination_that_refuses_connections_is_probed",
        ],
    ),
    (
        r"`BILLING_CONCURRENCY` (64) requests in flight per process; connections are kept alive.",
        &[
            "crashes::sigterm_finishes_what_is_in_flight",
            "held::what_is_held_is_counted_and_started_once",
            "tests::billings_defaults_are_the_contracts",
            "network::a_kept_connection_that_was_closed_costs_no_attempt",
        ],
    ),
    (
        r"States: `pending`, `delivered`, `dead`; each attempt is kept with time, status, duration and error.",
        &[
            "deliveries::a_delivery_is_shown_with_its_attempts_and_retried_by_hand",
            "answers::a_broken_exchange_is_repeated_with_the_same_id",
            "crashes::stopped_past_its_lease_a_process_changes_nothing",
        ],
    ),
    (
        r"`referral deliveries list|show|retry|retry --dead --since …|test`",
        &[
            "deliveries::a_delivery_is_shown_with_its_attempts_and_retried_by_hand",
            "deliveries::all_that_died_are_tried_again_at_a_pace",
            "billing::a_test_call_is_sent_as_billing_sends_and_shows_what_came_back",
            "billing::a_test_call_that_cannot_be_made_says_why",
        ],
    ),
    (
        r"and the same under `GET /v1/deliveries`, `POST /v1/deliveries/{id}/retry`; a retry by hand keeps the `webhook-id`.",
        &[
            "deliveries::a_delivery_is_shown_with_its_attempts_and_retried_by_hand",
            "matrix::no_route_gives_or_changes_anything_of_another_domain",
        ],
    ),
    (
        r#"The listing: `{"items":[{"id","user_hash","kind","amount","currency","program_name","state","attempts","next_attempt_at","created_at","delivered_at"}],"limit","total"}`, filters `state`, `user_hash`, `since`, `until`, paged as in contract 2."#,
        &[
            "deliveries::a_delivery_is_shown_with_its_attempts_and_retried_by_hand",
            "deliveries::all_that_died_are_tried_again_at_a_pace",
            "document::every_documented_answer_is_given",
        ],
    ),
];
