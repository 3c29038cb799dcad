//! `referral goods load FILE`, `goods show` and `goods list` (contract 3): a domain's tariffs and goods.
//!
//! Owns the file and what is printed; what a catalogue may be is [`Catalogue`]'s.
use std::{path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::{Context as _, bail};
use clap::Subcommand;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{Tools, input, print_json};
use crate::{
    domain::{
        Catalogue,
        catalogue::{Good, TEXT_BYTES_MAX, Tariff, Upgrade},
        event::DEFAULT_DOMAIN,
        money::percent_number,
    },
    ingress::aura::ById,
    store::catalogues::{self, Loaded},
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Puts a catalogue into force in place of the domain's: all of it, or nothing where it is bad
    Load {
        /// A TOML file, such as `referral goods show` prints; `-`: standard input
        file: PathBuf,
        #[command(flatten)]
        of: Of,
    },
    /// Prints the TOML that is in force, the start of an own one
    Show {
        #[command(flatten)]
        of: Of,
    },
    /// Lists tariffs and goods
    List {
        #[command(flatten)]
        of: Of,
        /// As one JSON array of tariffs
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, clap::Args)]
struct Of {
    /// Domain
    #[arg(long, default_value = DEFAULT_DOMAIN)]
    domain: String,
}

pub(super) async fn run(args: Args, tools: &Tools) -> anyhow::Result<ExitCode> {
    match args.action {
        Action::Load { file, of } => load(file, &of, tools).await?,
        Action::Show { of } => print!("{}", in_force(&of, tools).await?.text()),
        Action::List { of, json } => list(&*in_force(&of, tools).await?, json)?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn load(file: PathBuf, of: &Of, tools: &Tools) -> anyhow::Result<()> {
    let named = || format!("goods load {}", file.display());
    let text = input::contents(&file, TEXT_BYTES_MAX as u64, tools).await.with_context(named)?;
    let text = String::from_utf8(text).context("must be UTF-8").with_context(named)?;
    let catalogue = Catalogue::parse(&text).with_context(named)?;
    let store = tools.store().await?;
    let domain = tools.domain(&store, &of.domain).await?;
    let same = match catalogues::load(&store, domain.id, &catalogue, tools.clock.now()).await? {
        Loaded::New => "",
        Loaded::Same => ", the same as before",
        Loaded::InUse { tariff_id, sites } => bail!(
            "{}: tariff {tariff_id}: must not be left out: sites are on it, {sites} in all",
            named()
        ),
    };
    let (tariffs, goods) = (catalogue.tariffs().len(), catalogue.goods().count());
    println!("{tariffs} tariffs, {goods} goods loaded{same}");
    Ok(())
}

async fn in_force(of: &Of, tools: &Tools) -> anyhow::Result<Arc<Catalogue>> {
    let store = tools.store().await?;
    let domain = tools.domain(&store, &of.domain).await?;
    Ok(catalogues::of_domain(&store, domain.id).await?.catalogue)
}

/// The members of `/goods.php`, with the system name that names the tariff there, and prices.
#[derive(Serialize)]
struct ShownTariff<'a> {
    system_name: &'a str,
    id: i64,
    name: &'a str,
    year_price: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upgrade: Option<ShownUpgrade>,
    goods: ById<ShownGood<'a>>,
}

#[derive(Serialize)]
struct ShownUpgrade {
    id: i64,
    discount_percent: Box<RawValue>,
}

#[derive(Serialize)]
struct ShownGood<'a> {
    name: &'a str,
    period: String,
    price: Box<RawValue>,
    price_with_discount: Box<RawValue>,
}

impl<'a> From<&'a Tariff> for ShownTariff<'a> {
    fn from(tariff: &'a Tariff) -> Self {
        Self {
            system_name: &tariff.system_name,
            id: tariff.id,
            name: &tariff.name,
            year_price: tariff.year_price.json_number(),
            upgrade: tariff.upgrade.map(|Upgrade { product_id, discount_e4 }| ShownUpgrade {
                id: product_id,
                discount_percent: percent_number(discount_e4),
            }),
            goods: ById(tariff.goods.iter().map(|good| (good.id, good.into())).collect()),
        }
    }
}

impl<'a> From<&'a Good> for ShownGood<'a> {
    fn from(good: &'a Good) -> Self {
        Self {
            name: &good.name,
            period: good.period.to_string(),
            price: good.price.json_number(),
            price_with_discount: good.price_with_discount().json_number(),
        }
    }
}

fn list(catalogue: &Catalogue, json: bool) -> anyhow::Result<()> {
    if json {
        let tariffs: Vec<ShownTariff> = catalogue.tariffs().iter().map(ShownTariff::from).collect();
        return print_json(&tariffs);
    }
    for (tariff, good) in catalogue.goods() {
        let Good { id, name, period, price, .. } = good;
        let (system_name, discounted) = (&tariff.system_name, good.price_with_discount());
        println!("{id}\t{system_name}\t{period}\t{price}\t{discounted}\t{name}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tariff_is_listed_with_the_members_of_the_http_answer_and_prices() {
        let catalogue = Catalogue::example().unwrap();
        let shown: Vec<ShownTariff> = catalogue.tariffs().iter().map(ShownTariff::from).collect();
        let told = serde_json::to_string(&shown[..2]).unwrap();
        assert_eq!(
            told,
            r#"[{"system_name":"start","id":1,"name":"Start","year_price":60.0,"goods":{"11":{"name":"Start, 1 month","period":"1 month","price":6.0,"price_with_discount":6.0},"12":{"name":"Start, 1 year","period":"1 year","price":60.0,"price_with_discount":57.0},"13":{"name":"Start, for ever","period":"forever","price":180.0,"price_with_discount":180.0}}},{"system_name":"business","id":2,"name":"Business","year_price":120.0,"upgrade":{"id":29,"discount_percent":10.0},"goods":{"21":{"name":"Business, 1 month","period":"1 month","price":12.0,"price_with_discount":12.0},"22":{"name":"Business, 1 year","period":"1 year","price":120.0,"price_with_discount":108.0},"23":{"name":"Business, for ever","period":"forever","price":360.0,"price_with_discount":360.0}}}]"#
        );
    }
}
