//! Contract 2, the RCP dialect (daily referral records), clause by clause.
use super::Promise;

/// In the page's order.
pub const PROMISES: &[Promise] = &[
    (
        r"Here this system is the cloud platform's side: it keeps one record per referral code and day, and a referral system reads them.",
        &["walk::one_click_becomes_a_daily_record"],
    ),
    (
        r"Everything under `/v1` needs `Authorization: Bearer KEY` except the token endpoint itself.",
        &[
            "access::nothing_is_open_without_a_token_and_another_domains_sees_nothing",
            "refusals::every_refusal_below_v1_is_problem_json",
            "document::everything_under_v1_needs_a_token_but_logging_in_and_the_document",
        ],
    ),
    (
        r"A key belongs to one administrator of one domain; it sees and changes that domain only.",
        &[
            "access::nothing_is_open_without_a_token_and_another_domains_sees_nothing",
            "access::a_login_gives_a_token_that_works_until_it_is_revoked_or_out_of_date",
        ],
    ),
    (
        r"Errors are `application/problem+json` (RFC 9457).",
        &["refusals::every_refusal_below_v1_is_problem_json"],
    ),
    // POST /v1/auth/token
    (
        r"`POST /v1/auth/token` JSON `{domain, login, password, ttl?, code?}`",
        &[
            "access::a_login_gives_a_token_that_works_until_it_is_revoked_or_out_of_date",
            "access::bad_requests_for_a_token_name_the_field",
        ],
    ),
    (
        r#"200 `{"id": uuid, "key": 40 lower-case hex, "ctime", "issued_device_info": the User-Agent, "issued_ip_address", "expires"}`."#,
        &[
            "tokens::a_token_says_to_whom_it_was_issued_in_the_contracts_order",
            "credentials::keys_are_forty_hex_and_never_the_same",
        ],
    ),
    (
        r"`ttl` in seconds, default 1314000, at most a year.",
        &[
            "access::a_login_gives_a_token_that_works_until_it_is_revoked_or_out_of_date",
            "tokens::a_token_may_live_a_year_and_no_second_longer",
        ],
    ),
    (
        r"`code` is the one-time code of an administrator who has TOTP switched on",
        &[
            "totp::a_login_needs_the_code_and_each_code_is_good_once",
            "totp::one_step_of_a_wrong_clock_is_forgiven_and_no_more",
            "totp::of_several_who_come_with_one_code_at_once_one_is_let_in",
        ],
    ),
    (
        r", ignored otherwise.",
        &["tokens::a_one_time_code_is_ignored_where_totp_is_not_switched_on"],
    ),
    (
        r"Wrong login, wrong password and unknown domain are one and the same 401",
        &["access::whatever_is_wrong_with_a_login_is_one_and_the_same_401_and_ten_are_enough"],
    ),
    (
        r", in the same time.",
        &[
            "tokens::an_unknown_login_or_domain_takes_as_long_as_a_wrong_password",
            "credentials::nobodys_hash_costs_what_everybodys_does",
        ],
    ),
    (
        r"After 10 failures within a minute from one address or for one login the next tries get 429 with `Retry-After`",
        &[
            "throttle::after_ten_failures_within_a_minute_the_next_tries_have_to_wait",
            "tokens::ten_failures_for_one_login_shut_it_whatever_the_addresses",
            "tokens::ten_wrong_tokens_from_one_address_shut_that_address",
        ],
    ),
    (
        r"(so it is for every credential of contracts 2 to 5).",
        &[
            "tokens::ten_wrong_tokens_from_one_address_shut_that_address",
            "partner::ten_failed_keys_within_a_minute_are_too_many_requests",
        ],
    ),
    (
        r"TOTP is switched on by `referral admin totp LOGIN`",
        &["totp::a_login_needs_a_code_from_the_moment_it_is_switched_on_until_it_is_switched_off"],
    ),
    // DELETE /v1/auth/token/{id}
    (
        r"`DELETE /v1/auth/token/{id}` | 204, the key stops working at once",
        &["access::a_login_gives_a_token_that_works_until_it_is_revoked_or_out_of_date"],
    ),
    // PUT /v1/referral/{code}
    (
        r"`PUT /v1/referral/{code}` JSON `{email, program_id?}` | registers a referral code of the referrer with that e-mail.",
        &[
            "walk::one_click_becomes_a_daily_record",
            "records::a_code_belongs_to_one_email_of_one_domain",
            "decide_tests::the_programme_is_the_signups_the_codes_the_referrers_or_the_domains_first",
        ],
    ),
    (
        r"201 the first time, 200 when repeated with the same e-mail; 409 when the code belongs to another e-mail or another domain (codes are unique across domains); 422 when the code is not 20 characters of `[0-9A-Za-z]` or the e-mail is not one.",
        &[
            "records::a_code_belongs_to_one_email_of_one_domain",
            "ids::codes_are_twenty_alphanumerics",
            "ids::emails_compare_without_case_and_keep_their_spelling",
        ],
    ),
    (
        r"Answer: the record of today for that code (an empty one, not stored, where nothing has happened yet)",
        &[
            "today::registering_a_code_answers_its_record_of_today_or_an_empty_one_that_is_not_stored",
        ],
    ),
    // GET /v1/referral
    (
        r#"`GET /v1/referral?email&date&code&page&limit` | 200 `{"items":[…],"limit":L,"total":T}`: the domain's records, newest day first, then by code."#,
        &[
            "records::records_are_shown_newest_first_with_each_address_once",
            "access::nothing_is_open_without_a_token_and_another_domains_sees_nothing",
        ],
    ),
    (
        r"`email` is the referrer's; `date` is `YYYY-MM-DD`; filters combine.",
        &["records::filters_combine_and_pages_follow_each_other", "day::days_are_ten_characters"],
    ),
    (
        r"`limit` default 10, 1 to 1000; `page` from 1. A bad filter or bound is 422 naming it",
        &[
            "records::filters_combine_and_pages_follow_each_other",
            "referral::bad_filters_and_bounds_are_named",
        ],
    ),
    // GET /register
    (
        r"`GET /register?ref_code=CODE` | the referral link. Publishes a click, then answers 303 to `REGISTER_URL` with `ref_code` kept",
        &[
            "link::a_visit_is_one_click_of_the_codes_domain_and_nothing_else_is",
            "link::the_code_is_kept_and_cannot_break_out",
        ],
    ),
    (
        r", or, where that is not set, 200 with the built-in registration page.",
        &[
            "link::without_a_target_there_is_a_page",
            "page::pages_differ_in_nothing_but_the_code_that_was_given",
            "registration::who_registers_on_the_page_is_on_the_record_and_referred",
            "browser::somebody_registers_on_the_page",
            "browser::somebody_without_javascript_registers_on_the_page",
        ],
    ),
    (
        r"An unknown or malformed code gets the same answer, and no click.",
        &[
            "same_answer::an_unknown_or_malformed_code_gets_the_same_answer_as_a_known_one_and_no_click",
            "link::a_visit_is_one_click_of_the_codes_domain_and_nothing_else_is",
        ],
    ),
    (
        r"A click is answered once the broker has confirmed it",
        &[
            "spool::a_click_is_answered_like_any_other_while_the_broker_is_away",
            "kill_ingress::a_killed_ingress_loses_nothing_it_answered_and_repeats_count_once",
        ],
    ),
    (
        r"or, after `CLICK_CONFIRM` (100 ms) without, once it is in the ingress's durable spool, from which it is published when the broker is back",
        &[
            "spool::a_click_is_answered_after_click_confirm_when_the_broker_says_nothing",
            "spool::an_answered_click_is_never_lost_while_the_broker_is_away",
            "spool::a_late_confirm_and_the_spool_publish_the_same_event",
        ],
    ),
    (
        r": an answered click is never lost",
        &[
            "kill_ingress::a_killed_ingress_loses_nothing_it_answered_and_repeats_count_once",
            "spool::an_answered_click_is_never_lost_while_the_broker_is_away",
            "spool::a_full_spool_answers_503_and_loses_nothing",
        ],
    ),
    // GET /swagger/
    (
        r"`GET /swagger/` and `GET /v1/openapi.json` | Swagger UI and the OpenAPI 3.1 document, covering every HTTP call of contracts 2 to 5.",
        &[
            "document::the_document_is_openapi_3_1_with_examples_and_served_as_it_is",
            "document::every_documented_answer_is_given",
            "tidy::routes_are_made_of_documented_handlers_only",
        ],
    ),
    (
        r"No asset is loaded from another host",
        &["document::swagger_ui_is_served_from_the_program_alone"],
    ),
    // The record
    (
        r"A record, members in this order:",
        &[
            "records::records_are_shown_newest_first_with_each_address_once",
            "today::registering_a_code_answers_its_record_of_today_or_an_empty_one_that_is_not_stored",
        ],
    ),
    (
        r#"{"id":"3fa85f64-5717-4562-b3fc-2c963f66afa6","ctime":"2024-07-29T14:52:25.426324+03:00","mtime":"2024-07-29T14:52:25.428960+03:00","date":"2024-07-29","code":"b4b9e071006f409d8e6d","emails":["a@example.com"],"clicks":1}"#,
        &["records::records_are_shown_newest_first_with_each_address_once"],
    ),
    (
        r"One record per (domain, code, day); the day is the event's `time` in the domain's time zone (IANA name, default `UTC`).",
        &[
            "days::a_day_of_23_and_one_of_25_hours_count_right",
            "days::a_domain_is_in_utc_where_nothing_else_is_said",
            "day::a_day_is_the_zones_own_also_when_it_has_23_or_25_hours",
            "day::a_shift_of_half_an_hour_and_a_day_that_was_left_out_are_the_zones_own",
            "order::any_order_copies_and_batches_end_in_the_models_state",
        ],
    ),
    (
        r"Clicks or registrations on different days make different records.",
        &[
            "walk::one_click_becomes_a_daily_record",
            "days::a_day_of_23_and_one_of_25_hours_count_right",
            "tally::only_new_rows_of_people_count_and_each_on_its_own_day",
        ],
    ),
    (
        r"A record appears with the first click *or* signup of its day, with `emails: []` or `clicks: 0` for what has not happened.",
        &["daily::a_record_appears_with_the_first_click_or_signup_of_its_day"],
    ),
    (
        r"`emails`: addresses of those who registered that day through the code, each once per record, in order of the events' `time`, then of the address; compared without regard to case, in the spelling of the first.",
        &[
            "daily::addresses_are_in_order_of_time_each_once_in_the_spelling_of_the_first",
            "records::records_are_shown_newest_first_with_each_address_once",
        ],
    ),
    (
        r"A signup counts on the `code` it carries, whatever its outcome in credits; without a `code` or an `email` on no record.",
        &[
            "daily::a_record_appears_with_the_first_click_or_signup_of_its_day",
            "tally::only_new_rows_of_people_count_and_each_on_its_own_day",
        ],
    ),
    (
        r"`clicks`: link follows of that day. Clicks by bots (by user agent, a maintained list; no user agent is not a bot) are kept and marked, do not count and make no record.",
        &[
            "daily::bots_clicks_are_kept_and_marked_and_make_no_record",
            "bot::crawlers_are_bots_and_people_and_the_silent_are_not",
            "tally::only_new_rows_of_people_count_and_each_on_its_own_day",
        ],
    ),
    (
        r"`HEAD` and prefetch requests (`Sec-Purpose`, `Purpose`, `X-Moz`) are no clicks.",
        &[
            "visit::head_and_prefetch_are_no_visits",
            "link::a_visit_is_one_click_of_the_codes_domain_and_nothing_else_is",
        ],
    ),
    (
        r"`ctime`, `mtime`: microseconds, with the domain's UTC offset (`+00:00` for UTC).",
        &[
            "today::times_show_microseconds_and_the_domains_offset_which_is_plus_nought_for_utc",
            "day::times_show_microseconds_and_the_offset",
            "days::a_day_of_23_and_one_of_25_hours_count_right",
        ],
    ),
    (
        r"`mtime` moves whenever the record changes.",
        &["daily::mtime_moves_whenever_the_record_changes_and_not_otherwise"],
    ),
    (
        r"Events for a code that nobody has registered yet are kept and counted; they show once the code is registered.",
        &[
            "daily::events_of_an_unregistered_code_show_once_it_is_registered",
            "records::records_are_shown_newest_first_with_each_address_once",
        ],
    ),
    (
        r"The referrer of a code is the user with its e-mail (the seed: registered in both systems with the same e-mail); signups through the code are credited to that user once both exist (contract 5).",
        &[
            "codes::a_code_its_owner_and_a_signup_through_it_may_come_in_any_order",
            "order::a_code_registered_later_settles_who_waited",
        ],
    ),
    // The other direction
    (
        r"The other direction (this system as the referral system of a remote RCP: process 2 and the daily process 5 of the seed) is the command `referral rcp sync`: it PUTs the codes that the remote does not have yet and reads yesterday's and today's records back, paged, with the token obtained by login or given, into `remote_record`; safe to run again; `--every 24h` keeps it running.",
        &[
            "rcp::codes_go_there_and_two_days_of_records_come_back",
            "rcp::a_run_that_was_killed_is_gone_on_with",
            "rcp::pages_of_records_and_refused_codes",
            "seed::times_without_an_offset_are_the_time_zones",
            "ways_in::a_token_that_ends_meanwhile_is_asked_for_again_once",
            "faults::every_period_it_runs_again_until_it_is_stopped",
        ],
    ),
];
