//! Contract 4, clause by clause.
use super::Promise;

pub const PROMISES: &[Promise] = &[
    (
        r"`GET /ref/{code}/?cur_from=PMUSD&cur_to=BTC` (with or without the last slash): publishes a click with the whole query string, then 302 to `LANDING_URL`, a template in which `{cur_from}`, `{cur_to}` and `{code}` are filled in, percent-encoded; a missing one is left empty.",
        &[
            "landing::a_link_leads_to_the_landing_address_with_currencies_and_code",
            "landing::a_very_long_query_is_cut_to_what_an_event_may_carry",
            "landing::templates_are_filled_in_and_what_is_missing_is_left_empty",
        ],
    ),
    (
        r"`LANDING_URL` not set: `/register?ref_code=CODE&click=ID` (which does not count the click again: same event id).",
        &[
            "landing::who_lands_on_the_registration_page_is_counted_once",
            "landing::without_a_landing_address_the_visitor_registers_and_counts_once",
        ],
    ),
    (
        r"Values other than `[0-9A-Za-z]{1,20}` are dropped.",
        &["landing::a_link_leads_to_the_landing_address_with_currencies_and_code"],
    ),
    (
        r"The target host comes from the settings alone: there is no open redirect.",
        &[
            "landing::there_is_no_open_redirect",
            "landing::whatever_the_visitor_brings_the_host_stays_the_templates",
            "landing::a_template_that_is_none_is_refused",
        ],
    ),
    (
        r"The redirect never fails because the broker is down (contract 2 says how its click is kept).",
        &[
            "spool::an_answered_click_is_never_lost_while_the_broker_is_away",
            "spool::a_click_is_answered_like_any_other_while_the_broker_is_away",
        ],
    ),
    (
        r"An unknown code redirects all the same, and is no click.",
        &["landing::an_unknown_code_redirects_all_the_same_and_is_no_click"],
    ),
    (
        r"`GET /service/export/{xml|json|txt}/{code}`, no key.",
        &["exports::exports_need_no_key_and_a_code_that_somebody_has"],
    ),
    (
        r"The rates are those of the domain, the code is a partner's referral code; unknown: 404.",
        &[
            "exports::exports_need_no_key_and_a_code_that_somebody_has",
            "rates::a_domain_sets_its_own_rates_only_and_needs_a_token_to",
        ],
    ),
    (
        r"`ETag`, `Last-Modified` and `304` are honoured.",
        &[
            "exports::etag_last_modified_and_304_are_honoured",
            "exports::changes_within_a_second_are_not_taken_for_each_other",
        ],
    ),
    (
        r"`xml`: `application/xml`, UTF-8, BestChange's format: `<rates>` with, per direction, one `<item>` on a line of its own: `<from><to><in><out><amount><minamount><maxamount><param>` in that order, optional ones left out.",
        &[
            "exports::xml_is_bestchanges_format_an_item_on_a_line_of_its_own",
            "exports::exports_are_read_back_exactly_by_real_parsers",
        ],
    ),
    (
        r#"`json`: `{"rates":[{"from","to","in","out","amount","minamount","maxamount","param"}]}`, numbers as JSON numbers."#,
        &["exports::exports_are_read_back_exactly_by_real_parsers"],
    ),
    (
        r"`txt`: a line per direction, `FROM;TO;IN;OUT;AMOUNT;`, `\n` line ends.",
        &["exports::exports_are_read_back_exactly_by_real_parsers"],
    ),
    (
        r"Dot decimals, never an exponent, no trailing zeros.",
        &[
            "rates::numbers_are_kept_exactly_however_they_were_written",
            "decimal::what_is_shown_is_canonical_and_reads_back",
        ],
    ),
    (
        r"Rates come in through `PUT /v1/rates` (Bearer, JSON array, replaces the domain's set atomically: 204",
        &[
            "rates::put_replaces_the_domains_set_and_answers_204",
            "rates::of_sets_put_at_once_every_export_is_wholly_one",
            "rates::the_very_same_set_changes_nothing",
        ],
    ),
    (
        r", or 422 naming item and member; currency names are `[0-9A-Za-z]{1,20}`)",
        &[
            "rates::a_bad_item_is_422_naming_item_and_member_and_changes_nothing",
            "rates::rates_have_a_limit_of_items_and_one_of_bytes_of_their_own",
        ],
    ),
    (
        r"or `referral rates load FILE` (JSON or CSV).",
        &[
            "rates::rates_of_json_and_csv_files_replace_the_set_and_every_ingress_shows_them_at_once",
            "rates::a_file_with_a_bad_item_is_refused_by_line_or_item_and_member",
        ],
    ),
    (
        r#"Answer, HTTP 200: `{"status":"success","error":0,"error_text":"","data":{…}}`"#,
        &["partner::get_info_has_the_contracts_members_in_order"],
    ),
    (
        r#"; failure `{"status":"error","error":N,"error_text":"…","data":{}}` with N: 1 unknown `api_action`, 2 bad key, 3 unknown method, 4 bad parameter"#,
        &["partner::what_is_wrong_is_told_by_its_number_in_their_order"],
    ),
    (
        r"; too many requests: HTTP 429.",
        &["partner::ten_failed_keys_within_a_minute_are_too_many_requests"],
    ),
    (
        r"`items` is always an object, `{}` when empty.",
        &[
            "partner::get_info_has_the_contracts_members_in_order",
            "partner::a_partner_is_the_user_with_that_email_whichever_comes_first",
        ],
    ),
    (
        r"Dates are `YYYY-MM-DD HH:MM:SS` in the domain's time zone, times Unix seconds.",
        &[
            "partner_lists::get_exchanges_shows_what_referred_users_paid",
            "day::dates_and_seconds_of_partners_are_whole",
        ],
    ),
    (
        r"`start_time` and `end_time` (Unix, both optional, inclusive) filter by time.",
        &[
            "partner_lists::times_are_included_and_after_pages_through_a_thousand_items_oldest_first",
            "lists::times_are_included_and_never_overflow",
        ],
    ),
    (
        r"| `get_info` | `balance` (rewards accrued less payouts), `totalReceived` (paid out), `link` (the partner's link), `min_payout`, `items` (the payout methods: id → `{id,title,commission}`) |",
        &[
            "partner::get_info_has_the_contracts_members_in_order",
            "partner::add_payout_takes_the_whole_balance_once",
        ],
    ),
    (
        r"| `get_exchanges` | `items`: the payments of users this partner referred, id → `{id,time,date,course_give,course_get,amount_give,amount_get,exchange_success (0/1),accrued (0/1),partner_reward,user_hash}`.",
        &[
            "partner_lists::get_exchanges_shows_what_referred_users_paid",
            "exchange::numbers_are_shown_as_they_came",
        ],
    ),
    (
        r"A payment without `exchange` shows its amount in `amount_get`, `exchange_success` 1, and 0 elsewhere |",
        &[
            "partner_lists::get_exchanges_shows_what_referred_users_paid",
            "exchange::what_is_missing_is_nought_and_only_a_false_success_is_a_failure",
        ],
    ),
    (
        r"| `get_links` | `items`: clicks, id → `{id,time,date,browser,ip,referrer,user_hash,query_string}`; `browser` is the family from the user agent or `Unknown`, `ip` as `CLICK_IP` says: `full`, `truncated` (default: last octet, or last 80 bits, zero) or `none` (`0.0.0.0`) |",
        &[
            "partner_lists::get_links_shows_clicks_of_people_and_as_much_of_them_as_click_ip_says",
            "links::an_address_is_shown_as_far_as_it_may_be",
            "links::browsers_are_told_by_their_family",
        ],
    ),
    (
        r"our addition: payouts with status 0 pending, 1 done, 2 cancelled. `add_payout` takes the whole balance, at least `min_payout`, once.",
        &[
            "partner::add_payout_takes_the_whole_balance_once",
            "payouts::a_hundred_at_once_pay_once_and_never_more_than_is_due_while_payments_arrive",
        ],
    ),
    (
        r"Operators: `referral payout method add\|list`, `referral payout list\|done\|cancel ID`, `referral domain set NAME --min-payout N` (default 0.01) |",
        &["partner::payouts_are_listed_done_and_cancelled_once_and_for_all"],
    ),
    (
        r"Ids are integers, stable, ascending in order of arrival.",
        &[
            "partner_lists::times_are_included_and_after_pages_through_a_thousand_items_oldest_first",
        ],
    ),
    (
        r"A partner is the user with that e-mail",
        &[
            "partner::a_partner_is_the_user_with_that_email_whichever_comes_first",
            "partner::a_partner_sees_only_whom_they_referred_and_only_in_their_domain",
        ],
    ),
    (
        r"; sums are in the domain's currency; clicks by bots are left out.",
        &[
            "rewards::each_payment_accrues_its_share_once_rounded_half_even_to_cents",
            "partner_lists::get_links_shows_clicks_of_people_and_as_much_of_them_as_click_ip_says",
        ],
    ),
    (
        r"Results are at most 1,000 items, oldest first; `after` (an id) pages on.",
        &[
            "partner_lists::times_are_included_and_after_pages_through_a_thousand_items_oldest_first",
        ],
    ),
    (
        r"Reward: a programme may have `reward_percent` (0 to 100, 4 decimals).",
        &[
            "rewards::each_payment_accrues_its_share_once_rounded_half_even_to_cents",
            "programmes::bad_values_are_named",
            "money::percentages_are_exact",
        ],
    ),
    (
        r"Each payment `amount` of a referred user accrues the share of that user's terms to the referrer, rounded half-even to cents, once per payment event; `accrued` says so, `partner_reward` is the amount.",
        &[
            "rewards::each_payment_accrues_its_share_once_rounded_half_even_to_cents",
            "money::shares_round_half_even",
        ],
    ),
    (
        r"A `total_amount_paid` report accrues no percentage: it is a total, not a payment.",
        &["rewards::each_payment_accrues_its_share_once_rounded_half_even_to_cents"],
    ),
    (
        r"A key is shown once when made (`referral partner key --email …`, or the dashboard), stored hashed, rotated by making another, revoked at once.",
        &[
            "partner::keys_are_shown_once_rotated_by_another_and_revoked_at_once",
            "partner::a_key_works_until_another_is_made_or_it_is_revoked",
        ],
    ),
];
