//! Contract 5: "The first users come from `referral import users FILE --program ID` (lines
//! `hash | e-mail`, the second part optional; a progress bar; safe to run again)".
use std::sync::Arc;

use crate::{
    harness::{Bed, Tenant, Told, messages::single, on_every_database, state},
    model::{
        fact::{Signup, signup},
        state::State,
    },
};

on_every_database!(
    imported_users_are_unreferred_have_the_programmes_terms_and_refer_others,
    what_cannot_be_imported_is_named,
);

/// Two of the lines are bad; one says the same twice.
const FILE: &str = "alice | Alice@Example.com\r
  bob

carol | nobody
dave|dave@example.com
two words | x@example.com
bob
";

async fn imported_users_are_unreferred_have_the_programmes_terms_and_refer_others(bed: Arc<Bed>) {
    let mut tenant = Tenant::create(&bed, "UTC").await;
    tenant.programme(&bed, "First", 100, 200).await;
    let second = tenant.programme(&bed, "Second", 1000, 2500).await;
    let import = async |file: &str, input: &str| -> Told {
        let id = second.to_string();
        let arguments =
            ["import", "users", file, "--domain", tenant.name.as_str(), "--program", &id];
        bed.operate(&arguments, &[], input).await
    };
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("users.txt");
    std::fs::write(&file, FILE).unwrap();
    let file = file.to_str().unwrap();

    let told = import(file, "").await;
    assert_eq!((told.code, told.output.as_str()), (Some(1), ""), "{}", told.errors);
    let lines: Vec<&str> = told.errors.lines().collect();
    assert!(lines[0].starts_with("line 4: e-mail: must be an e-mail address"), "{lines:?}");
    assert!(lines[1].starts_with("line 6: hash: must be 1 to 253"), "{lines:?}");
    assert_eq!(lines[2..], ["4 users published and confirmed, 2 bad lines"], "{lines:?}");

    bed.drain(bed.start_workers(1, &[]).await).await;
    let users = state::read(&bed.store, tenant.world.domain_id).await.unwrap();
    let emails: Vec<_> =
        users.accounts.iter().map(|(hash, a)| (hash.as_str(), a.email_key.as_deref())).collect();
    let expected =
        [("alice", Some("alice@example.com")), ("bob", None), ("dave", Some("dave@example.com"))];
    assert_eq!(emails, expected);
    for (hash, account) in &users.accounts {
        let terms = (account.settled, &account.referrer, account.programme);
        assert_eq!(terms, (true, &None, Some(second)), "{hash}");
    }
    assert!(users.entries.is_empty() && users.deliveries.is_empty(), "nobody referred them");

    // The same again, this time whole and from standard input: nothing changes.
    let good = "alice | ALICE@example.com\nbob\ndave | dave@example.com";
    let told = import("-", good).await;
    assert_eq!(told.code, Some(0), "{}", told.errors);
    assert_eq!(told.errors, "3 users published and confirmed, 0 bad lines\n");
    bed.drain(bed.start_workers(1, &[]).await).await;
    let again = state::read(&bed.store, tenant.world.domain_id).await.unwrap();
    assert_eq!(again, users);
    assert_eq!(signups(&bed, &tenant).await, 3, "each line is one event, whenever it is imported");

    // Somebody comes through an imported user, under that user's terms.
    let by_dave = Signup { user_indicator: Some("dave".to_owned()), ..Signup::default() };
    bed.publish(vec![single(&signup("erin", by_dave), &tenant.name)]).await;
    bed.drain(bed.start_workers(1, &[]).await).await;
    let state: State = state::read(&bed.store, tenant.world.domain_id).await.unwrap();
    let erin = &state.accounts["erin"];
    assert_eq!((erin.referrer.as_deref(), erin.programme), (Some("dave"), Some(second)));
    let granted: Vec<_> =
        state.entries.keys().map(|e| (e.user.as_str(), e.kind.as_str(), e.amount)).collect();
    assert_eq!(granted, [("dave", "potential_credit", 2500), ("erin", "signup_credit", 1000)]);
}

async fn what_cannot_be_imported_is_named(bed: Arc<Bed>) {
    let mut tenant = Tenant::create(&bed, "UTC").await;
    let programme = tenant.programme(&bed, "Another's", 100, 200).await.to_string();
    let unknown = (Some(1), "--program: the domain \"default\" has no programme");
    let cases: [(&[&str], _, _); 6] = [
        (&["-", "--program", "4711"], unknown.0, unknown.1),
        (&["-", "--program", programme.as_str()], unknown.0, unknown.1),
        (&["-", "--domain", "nowhere"], Some(1), "--domain: there is no domain \"nowhere\""),
        (&["/no/such/file"], Some(1), "import users /no/such/file: "),
        (&["-", "--program", "first"], Some(2), "--program"),
        (&[], Some(2), "<FILE>"),
    ];
    for (arguments, code, named) in cases {
        let line = [&["import", "users"], arguments].concat();
        let told = bed.operate(&line, &[], "alice\n").await;
        assert_eq!(told.code, code, "{line:?}: {}", told.errors);
        assert!(told.errors.contains(named), "{line:?}: {}", told.errors);
    }
    bed.drain(bed.start_workers(1, &[]).await).await;
    let rows = bed.store.all("SELECT user_hash FROM account", None, Vec::new()).await.unwrap();
    assert!(rows.is_empty(), "nobody was imported");
}

async fn signups(bed: &Bed, tenant: &Tenant) -> i64 {
    const COUNT: &str = "SELECT COUNT(*) AS n FROM signup WHERE domain_id = {?}";
    let row = bed.store.one(COUNT, vec![tenant.world.domain_id.into()]).await.unwrap();
    row.unwrap().int("n").unwrap()
}
