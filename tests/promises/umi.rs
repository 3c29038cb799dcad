//! Contract 3, clause by clause.
use super::Promise;

pub const PROMISES: &[Promise] = &[
    (
        r"A partner registers new clients (a site each) and reports their payments. This system keeps the registry of sites and the catalogue of tariffs; registration is a signup event, payment a payment event.",
        &["sites::a_registered_and_paid_site_is_a_referred_user_who_paid"],
    ),
    (
        r"`POST /partnerapi.php`, `application/x-www-form-urlencoded`, UTF-8; answers are JSON, always HTTP 200 except 405, 413, 429 and 5xx.",
        &[
            "umi::what_is_no_form_is_told_in_an_answer_and_other_methods_are_405",
            "document::every_documented_answer_is_given",
        ],
    ),
    (
        r"`POST` or `GET /goods.php` gives the catalogue.",
        &["umi_prices::the_catalogue_is_shown_by_get_and_post_alike"],
    ),
    (
        r#"Success: `{"result": …}`. Failure: `{"result":false,"errors":["…", …]}`: every error found, not only the first."#,
        &[
            "umi::every_error_is_told_in_one_answer_of_200",
            "call::every_error_is_found_and_begins_with_its_parameter",
            "umi::a_taken_host_is_refused_whoever_has_it",
        ],
    ),
    (
        r"Always required: `partner` (login), `code` (the partner's code, issued by the administrator, stored hashed),",
        &[
            "umi::a_wrong_partner_and_a_wrong_code_are_the_same_and_are_limited",
            "partner::partners_are_made_with_logins_unique_across_domains_and_codes_that_are_stored_hashed",
        ],
    ),
    (
        r"`host` (full site name, a valid host name, at most 253 characters, lower-cased).",
        &[
            "host::hosts_are_full_valid_and_lower_cased",
            "umi::a_registration_answers_host_login_and_a_generated_password_once",
        ],
    ),
    (
        r"A wrong partner and a wrong code are one and the same error.",
        &["umi::a_wrong_partner_and_a_wrong_code_are_the_same_and_are_limited"],
    ),
    (
        r"A partner sees and changes only the sites it registered.",
        &["umi::a_partner_sees_and_changes_only_the_sites_it_registered"],
    ),
    (
        r"For the events: the user hash is the host, the domain is the partner's, the referrer is the partner's own user (its e-mail);",
        &[
            "umi::events_tell_of_the_site_by_its_host_its_partners_domain_and_code",
            "sites::a_registered_and_paid_site_is_a_referred_user_who_paid",
            "host::every_host_is_a_users_hash_and_reads_as_itself",
        ],
    ),
    (
        r"partner logins are unique across domains.",
        &[
            "partner::partners_are_made_with_logins_unique_across_domains_and_codes_that_are_stored_hashed",
        ],
    ),
    (
        r"Dispatch: `action` if present; else `email` present: register (and pay, if `product` is present and `no_pay` is not 1); else `product` present: pay; else an error.",
        &[
            "call::a_call_is_told_by_action_else_by_email_else_by_product",
            "call::every_error_is_found_and_begins_with_its_parameter",
        ],
    ),
    (
        r#"register | `email`; `password` (absent: generated); … | `{"host","login":email}` plus `"password"` where it was generated."#,
        &["umi::a_registration_answers_host_login_and_a_generated_password_once"],
    ),
    (
        r"`sendmail` (1 or absent: letter with the access data, 0: none);",
        &["umi::sendmail_says_whether_a_letter_goes_out"],
    ),
    (
        r"`app` (tariff id; default the first); `no_pay=1` (free site; needs `product`)",
        &[
            "umi::a_free_site_needs_a_product_and_pays_nothing",
            "call::a_call_is_told_by_action_else_by_email_else_by_product",
        ],
    ),
    (r"Host taken: error.", &["umi::a_taken_host_is_refused_whoever_has_it"]),
    (
        r"The same call repeated by the same partner for the same e-mail: the same success, nothing created twice (a generated password is not shown twice)",
        &[
            "umi::a_registration_answers_host_login_and_a_generated_password_once",
            "umi::registrations_of_one_host_at_once_make_one_site_and_show_one_password",
        ],
    ),
    (
        r"register and pay | both sets | both, or neither; repeated: no second charge",
        &[
            "umi::register_and_pay_is_both_or_neither_and_charges_once",
            "umi::a_site_that_was_registered_before_can_be_registered_and_paid",
            "sites::a_call_that_is_killed_anywhere_and_repeated_is_one_site_one_signup_one_payment",
            "sites::what_a_killed_call_committed_is_published_without_a_repeat",
            "kill_sites::killed_calls_that_are_repeated_count_once",
        ],
    ),
    (
        r"pay | `product`; optional `request_id` | `true`. Repeating a `request_id` charges nothing more",
        &["umi::a_request_id_charges_once_also_when_it_comes_many_times_at_once"],
    ),
    (
        r"`action=block` / `action=unblock` | | `true`, also when already so",
        &["umi::blocking_is_done_also_when_it_is_so_already"],
    ),
    (
        r"`action=check_free` | | `true` free, `false` taken (no `errors`)",
        &["umi::a_partner_sees_and_changes_only_the_sites_it_registered"],
    ),
    (
        r"`action=upgrade_price` | | the tariffs that the site can move to, with goods and prices (below)",
        &["umi_prices::prices_of_an_unpaid_and_a_paid_site"],
    ),
    (
        r"`action=forever_price` | | the same shape: goods that pay the site for ever",
        &["umi_prices::forever_prices_are_of_goods_that_pay_for_ever"],
    ),
    (
        r"`action=upgrade` | `product` from `upgrade_price` | `true`; the rules below",
        &["umi_prices::prices_of_an_unpaid_and_a_paid_site"],
    ),
    (
        r#"`goods.php`: `{"<tariff system name>":{"id":…,"name":…,"goods":{"<goods id>":{"name":…}}}}`."#,
        &["goods::the_catalogue_is_told_in_its_own_order_without_upgrades"],
    ),
    (
        r#"Price answers: `{"<tariff system name>":[{"id":…,"name":…,"goods":[{"<goods id>":{"name":…,"price":…,"price_with_discount":…,"expiration":…}}]}]}`."#,
        &[
            "prices::prices_are_told_by_tariff_a_good_an_object",
            "prices::offers_of_one_tariff_are_together",
        ],
    ),
    (
        r"`expiration` is a Unix time until which the price holds; 0: no limit, which is so for an unpaid site.",
        &[
            "umi_prices::prices_of_an_unpaid_and_a_paid_site",
            "terms_tests::a_price_never_rises_and_holds_until_it_expires",
            "terms_tests::a_price_that_does_not_change_any_more_holds_to_the_end",
        ],
    ),
    (
        r"Rules: for an unpaid site the goods are periods of the new tariff, and paying one moves the site there and makes it paid for that period.",
        &[
            "terms_tests::each_site_is_offered_what_is_for_it",
            "terms_tests::paying_moves_the_site_and_gives_the_time_that_was_paid",
            "umi::register_and_pay_is_both_or_neither_and_charges_once",
        ],
    ),
    (
        r"For a paid site there is one good per higher tariff; its price is the difference of the two tariffs for the time left, falls day by day, and `expiration` is the next change of price; paying it moves the site to the new tariff and adds no time.",
        &[
            "umi_prices::prices_of_an_unpaid_and_a_paid_site",
            "terms_tests::a_paid_sites_upgrade_costs_the_difference_for_the_days_left",
        ],
    ),
    (
        r"The catalogue (tariffs, goods, prices, discounts, periods) is a TOML file loaded with `referral goods load FILE`; an example is shipped, documented and loaded by default.",
        &[
            "goods::a_domain_has_the_shipped_catalogue_until_it_loads_its_own",
            "goods::a_file_that_will_not_do_is_refused_by_file_tariff_and_member_and_nothing_changes",
            "parse_tests::the_shipped_example_is_sound",
        ],
    ),
    (
        r"Prices are JSON numbers, exact to the cent; a payment event carries the price paid in the domain's currency.",
        &[
            "terms_tests::a_price_is_the_exact_fraction_to_the_cent",
            "umi::events_tell_of_the_site_by_its_host_its_partners_domain_and_code",
        ],
    ),
    (
        r"`GET /adminzone/?login=…&password=…` signs the site's administrator in: a session cookie (`HttpOnly`, `SameSite=Lax`, `Secure` where `PUBLIC_URL` is https) and a 303 to `/adminzone/`, so that the secrets leave the address bar;",
        &[
            "adminzone::the_url_signs_in_and_leaves_the_bare_address",
            "cookie::a_cookie_is_for_its_pages_alone_and_for_no_script",
            "adminzone_browser::the_url_login_ends_at_the_clean_address_and_leaves_no_trace",
            "adminzone_browser::a_wrong_or_unwanted_url_login_leaves_the_address_bar_too",
        ],
    ),
    (
        r"never logged;",
        &[
            "adminzone::a_client_signs_in_sees_the_page_and_sets_a_password_and_nothing_is_logged",
            "adminzone_browser::the_url_login_ends_at_the_clean_address_and_leaves_no_trace",
        ],
    ),
    (
        r"rate-limited; off with `ADMINZONE_URL_LOGIN=off`.",
        &[
            "adminzone::after_ten_failures_a_login_has_to_wait_whatever_the_addresses_and_the_way",
            "adminzone::after_ten_failures_an_address_has_to_wait_for_logins_sessions_and_links",
            "adminzone::where_the_url_login_is_off_its_query_is_thrown_away_untried",
        ],
    ),
    (
        r"`/adminzone/` is the client's page: site, tariff, paid until, own referral link with its clicks, signups and credits.",
        &[
            "adminzone_page::the_page_shows_the_site_and_until_when_it_is_paid_in_the_domains_zone",
            "adminzone_page::the_page_shows_the_own_link_with_its_clicks_signups_and_credits",
        ],
    ),
    (
        r"There is a login form too.",
        &[
            "adminzone_browser::somebody_signs_in_by_the_form_and_sets_a_password_without_javascript",
            "adminzone::what_is_missing_in_the_form_is_named_kept_and_not_tried",
        ],
    ),
    (
        r"The letter is sent by the `mail` worker over SMTP (`SMTP_URL`, `MAIL_FROM`), with retries, at least once with a stable `Message-ID`;",
        &[
            "letters::a_letter_arrives_with_text_html_and_a_link_that_works_once",
            "letters::a_server_that_comes_back_gets_what_waited",
            "crashes::killed_at_every_step",
            "refusals::a_mailbox_that_is_none_is_dead_at_once_and_all_else_is_tried_again",
        ],
    ),
    (
        r"with no `SMTP_URL` letters wait in the queue and a warning says so at start.",
        &["letters::without_a_server_letters_wait_in_the_queue"],
    ),
];
