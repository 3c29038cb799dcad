//! Contract 5, the getup dialect and the credit rules, clause by clause.
use super::Promise;

/// In the page's order.
pub const PROMISES: &[Promise] = &[
    (
        r"Paths work with and without the last slash; bodies are JSON or form-encoded; numbers come as numbers or as decimal strings.",
        &[
            "slashes::every_path_works_both_ways_with_json_and_forms_and_numbers_as_texts",
            "fields::json_and_form_say_the_same",
        ],
    ),
    (
        r"`Authorization: Bearer KEY` as in contract 2, except `/health`.",
        &[
            "access::nothing_is_open_without_a_token_and_another_domains_sees_nothing",
            "refusals::every_refusal_of_getup_is_an_error_text",
            "tokens::ten_wrong_tokens_from_one_address_shut_that_address",
        ],
    ),
    (r#"Errors: `{"error": "…"}`."#, &["refusals::every_refusal_of_getup_is_an_error_text"]),
    (
        r#"`GET /health` | `{"status":"ok"}`"#,
        &[
            "access::nothing_is_open_without_a_token_and_another_domains_sees_nothing",
            "slashes::every_path_works_both_ways_with_json_and_forms_and_numbers_as_texts",
        ],
    ),
    // /program/
    (
        r#"`POST /program/` `name, credit_value, target_value` (+ our optional `reward_percent`) | 201 `{"id":1,"name":"Default","credit_value":10.0,"target_value":25.0,"link":"http://HOST/program/1"}` and our members (`reward_percent`, `currency`: the domain's) after those."#,
        &["programmes::programmes_are_made_shown_changed_and_removed"],
    ),
    (
        r"Integer ids. Values are ≥ 0 with at most 2 decimals; a bad or missing value is 422 naming the field",
        &[
            "programmes::bad_values_are_named",
            "programmes::the_list_has_all_programmes_of_the_domain_and_a_change_refuses_bad_values_by_name",
            "money::amounts_are_exact_or_refused",
        ],
    ),
    (
        r"`GET /program/` | array of all programmes of the domain",
        &[
            "programmes::the_list_has_all_programmes_of_the_domain_and_a_change_refuses_bad_values_by_name",
        ],
    ),
    (
        r#"`GET /program/<id>/` | the programme; 404 `{"error":"ID not found"}`"#,
        &["programmes::programmes_are_made_shown_changed_and_removed"],
    ),
    (
        r"`PUT /program/<id>/` | changes what is given (a given 0 counts), answers the programme.",
        &[
            "programmes::programmes_are_made_shown_changed_and_removed",
            "programmes::the_list_has_all_programmes_of_the_domain_and_a_change_refuses_bad_values_by_name",
        ],
    ),
    (
        r"Users already registered keep the terms they registered under",
        &[
            "terms::users_keep_the_terms_they_registered_under_when_the_programme_changes",
            "decide_tests::users_keep_the_terms_they_registered_under",
        ],
    ),
    (
        r"`DELETE /program/<id>/` | 204; 409 when users are registered under it",
        &[
            "programmes::programmes_are_made_shown_changed_and_removed",
            "terms::users_keep_the_terms_they_registered_under_when_the_programme_changes",
        ],
    ),
    // /register/
    (
        r"`POST /register/` `user_indicator` (existing referrer's hash), `user_indicated` (new user's hash), optional `referral_program_id`, `email` | publishes a signup;",
        &[
            "terms::registering_and_invoicing_publish_a_signup_and_a_payment_with_the_cumulative_total",
        ],
    ),
    (
        r#"201 `{"id","hash","referral_program":{…},"user_indicator":{…},"is_generates_even":true}` and then our `code`, the new user's own referral code;"#,
        &[
            "register::a_referral_is_credited_and_shown",
            "shapes::a_user_shows_the_referrer_without_nesting_further",
            "generates::it_is_false_for_the_payer_alone_once_the_payments_have_reached_the_target",
            "generates::it_is_false_at_registration_where_the_credit_is_acquired_at_registration",
            "generates::it_stays_true_for_an_unreferred_user_whatever_they_pay",
        ],
    ),
    (
        r"412 when either hash is missing; 404 unknown indicator or programme; 409 the user exists with another referrer, or refers to itself;",
        &[
            "register::what_is_refused_is_not_published",
            "register::missing_hashes_are_412_and_bad_ones_422",
        ],
    ),
    (
        r"200 with the same body for an exact repeat",
        &[
            "register::a_referral_is_credited_and_shown",
            "register::only_the_same_again_is_a_repeat",
            "register::racing_equal_requests_register_once",
        ],
    ),
    // /invoice/
    (
        r"`PUT /invoice/user/<user_hash>/` `total_amount_paid` | publishes a payment with that cumulative total",
        &[
            "terms::registering_and_invoicing_publish_a_signup_and_a_payment_with_the_cumulative_total",
        ],
    ),
    (
        r"(not a number ≥ 0 with at most 2 decimals: 422);",
        &[
            "terms::an_invoice_tells_the_acquired_credit_on_every_call_once_the_total_has_reached_the_target",
        ],
    ),
    (
        r#"200 `{"acquired_credit":25.0}` when the payer's total has reached the target (on every such call; granted once), else, and for an unreferred payer, `{"acquired_credit":0}`; 404 unknown user"#,
        &[
            "terms::an_invoice_tells_the_acquired_credit_on_every_call_once_the_total_has_reached_the_target",
            "walk::one_payment_reaches_the_target_and_pays_the_referrer",
        ],
    ),
    // /statement/
    (
        r#"`GET /statement/<user_hash>/` | `{"potencial_credit":50.0,"referral_program":{…}}`, then our members `code`, `acquired_credit`, `signup_credit`, `reward`, `currency`, `entries`: `[{"id","kind","amount":"10.00","currency","time","referred_user_hash","causes":[{"source","id"}]}]`;"#,
        &[
            "terms::a_statement_has_the_contracts_members_in_order_and_sums_in_the_programmes_currency",
            "register::a_referral_is_credited_and_shown",
            "walk::one_signup_becomes_a_credit_and_a_billing_call",
        ],
    ),
    (
        r"sums are in `currency`, the programme's; 404 unknown user.",
        &[
            "accounts::what_is_acquired_has_left_the_potential",
            "terms::a_statement_has_the_contracts_members_in_order_and_sums_in_the_programmes_currency",
            "register::what_is_refused_is_not_published",
        ],
    ),
    (
        r"The misspelt name is part of the interface",
        &[
            "terms::a_statement_has_the_contracts_members_in_order_and_sums_in_the_programmes_currency",
        ],
    ),
    // /emailindication, /emailverification
    (
        r#"`POST /emailindication` `user_indicator`, `emails` (comma-separated) | 201 `{"saved_emails":["a@example.com"]}`: trimmed, compared without case, first claim wins, invalid or already claimed ones left out;"#,
        &[
            "indications::the_first_claim_of_an_address_is_saved_and_nothing_else_is",
            "indications::of_racing_claims_of_one_address_one_saves_it",
            "indications::of_claims_that_race_for_one_address_one_saves_it",
            "indications::an_earlier_indication_attributes_a_signup_that_names_nobody",
        ],
    ),
    (
        r"412 when the indicator is missing or unknown",
        &["indications::an_indicator_that_is_missing_or_unknown_is_412_and_bad_addresses_are_422"],
    ),
    (
        r#"`POST /emailverification` `emails` | `{"emails":{"a@example.com":"<user_indicator>","b@example.com":false}}`"#,
        &["indications::the_first_claim_of_an_address_is_saved_and_nothing_else_is"],
    ),
    // Waiting for the worker and the broker
    (
        r"Register and invoice wait for the credits worker's reply (contract 1), at most `REPLY_TIMEOUT` (2 s):",
        &[
            "register::a_referral_is_credited_and_shown",
            "register::past_the_reply_timeout_it_is_accepted_and_known_later",
            "terms::replies_are_waited_for_two_seconds_where_nothing_else_is_said",
        ],
    ),
    (
        r#"past it 202 `{"status":"accepted","event_id":…}` with `Location: /v1/events/{id}`, which gives `{"id","source","type","outcome",…}` once known, 404 before."#,
        &[
            "register::past_the_reply_timeout_it_is_accepted_and_known_later",
            "terms::an_invoice_past_the_reply_timeout_is_accepted_and_known_later",
        ],
    ),
    (
        r"The ingress checks first and publishes nothing for a 404, 409 or 412.",
        &["register::what_is_refused_is_not_published"],
    ),
    (
        r"Only what the broker has confirmed is answered 2xx; broker away: 503 with `Retry-After`.",
        &[
            "spool::a_click_is_answered_like_any_other_while_the_broker_is_away",
            "kill_ingress::a_killed_ingress_loses_nothing_it_answered_and_repeats_count_once",
        ],
    ),
    (
        r"The first users come from `referral import users FILE --program ID` (lines `hash | e-mail`, the second part optional; a progress bar; safe to run again)",
        &[
            "import::imported_users_are_unreferred_have_the_programmes_terms_and_refer_others",
            "import::what_cannot_be_imported_is_named",
        ],
    ),
    (
        r", or register unreferred through a signup event.",
        &[
            "walk::one_signup_becomes_a_credit_and_a_billing_call",
            "decide_tests::an_unreferred_user_makes_no_entry_but_has_a_programme",
        ],
    ),
    // Credit rules
    (
        r"B registers, referred by A, under programme P: the signup's `program_id`, else the code's where the code named A, else A's own, else the domain's first (lowest id).",
        &[
            "decide_tests::the_programme_is_the_signups_the_codes_the_referrers_or_the_domains_first",
            "order::any_order_copies_and_batches_end_in_the_models_state",
        ],
    ),
    (
        r"While A is not known B has no programme unless one is named, and waits; those B refers wait with it unless they name one.",
        &[
            "decide_tests::who_waits_waits_with_those_they_refer_unless_those_name_a_programme",
            "order::a_code_registered_later_settles_who_waited",
        ],
    ),
    (
        r"An id that the domain does not have: parked, `unknown_programme`.",
        &["parking::every_bad_message_is_parked_with_its_reason_by_who_answers_for_it"],
    ),
    (
        r"A signup settled in a domain without programmes has no terms and credits nobody, then or later.",
        &["decide_tests::a_domain_without_programmes_credits_nobody_then_or_later"],
    ),
    (
        r"Then: **signup_credit** of `credit_value` for B, billing called;",
        &[
            "walk::one_signup_becomes_a_credit_and_a_billing_call",
            "decide_tests::a_referred_signup_credits_the_new_user_and_promises_the_referrer",
        ],
    ),
    (
        r"**potential_credit** of `target_value` for A, statement only.",
        &[
            "walk::one_signup_becomes_a_credit_and_a_billing_call",
            "terms::chains_credit_the_direct_referrer_only_and_noughts_and_the_unreferred_make_nothing",
        ],
    ),
    (
        r"B's total paid reaches `target_value` for the first time: **acquired_credit** of `target_value` for A, billing called; it leaves A's potential credit.",
        &[
            "walk::one_payment_reaches_the_target_and_pays_the_referrer",
            "accounts::what_is_acquired_has_left_the_potential",
        ],
    ),
    (
        r"Once per referred user, for ever.",
        &[
            "decide_tests::the_target_is_acquired_once_for_ever",
            "terms::an_invoice_tells_the_acquired_credit_on_every_call_once_the_total_has_reached_the_target",
            "exactly_once::a_thousand_copies_to_two_of_each_worker_count_once",
        ],
    ),
    (
        r"(The original's code calls billing for the payer and again on every invoice; its README says the indicator gets it when the target is reached: that is what holds.)",
        &["walk::one_payment_reaches_the_target_and_pays_the_referrer"],
    ),
    (
        r"`target_value` 0: acquired at registration. A value of 0 makes no entry and no call. An unreferred user makes none.",
        &[
            "decide_tests::a_target_of_nought_is_acquired_at_registration_and_noughts_make_no_entry",
            "decide_tests::an_unreferred_user_makes_no_entry_but_has_a_programme",
            "generates::it_is_false_at_registration_where_the_credit_is_acquired_at_registration",
            "terms::chains_credit_the_direct_referrer_only_and_noughts_and_the_unreferred_make_nothing",
        ],
    ),
    (
        r"Nobody refers themselves, by hash or by e-mail;",
        &[
            "decide_tests::nobody_refers_themselves_by_hash_code_or_address",
            "order::the_first_of_two_signups_that_disagree_wins",
        ],
    ),
    (
        r"chains (A→B→C) credit the direct referrer only.",
        &[
            "terms::chains_credit_the_direct_referrer_only_and_noughts_and_the_unreferred_make_nothing",
            "order::a_long_chain_that_settles_at_once_pays_for_what_was_paid_before",
        ],
    ),
    (r"Entries are appended, never changed or deleted.", &["terms::entries_are_only_ever_added"]),
    (
        r"For every programme and currency: Σ billing calls delivered + pending + dead = Σ signup_credit + Σ acquired_credit, at any moment.",
        &["balance::what_billing_owes_is_what_was_credited_at_any_moment"],
    ),
];
