//! What the pages load, all of it from here: style sheet, script, and uPlot (MIT, its licence beside it).
//!
//! An address has the hash of what it stands for, so that browsers keep it for ever.
use std::sync::OnceLock;

use axum::{
    http::header,
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use crate::ingress::problem::{InPath, Refusal};

/// Bytes of a hash that an address has.
const HASH_BYTES: usize = 9;

/// A file: its name, media type and text.
struct Asset {
    name: &'static str,
    kind: &'static str,
    text: &'static str,
}

const ASSETS: [Asset; 5] = [
    Asset {
        name: "style.css",
        kind: CSS,
        text: concat!(include_str!("../pages/palette.css"), include_str!("assets/style.css")),
    },
    Asset { name: "dashboard.js", kind: JS, text: include_str!("assets/dashboard.js") },
    Asset { name: "uPlot.css", kind: CSS, text: include_str!("assets/uplot/uPlot.min.css") },
    Asset { name: "uPlot.js", kind: JS, text: include_str!("assets/uplot/uPlot.iife.min.js") },
    Asset { name: "icon.svg", kind: "image/svg+xml", text: include_str!("assets/icon.svg") },
];
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";

/// Where pages load them from.
pub struct Addresses {
    /// The style sheets.
    pub styles: [String; 2],
    /// The scripts, in order.
    pub scripts: [String; 2],
    /// The picture beside the page's name.
    pub icon: String,
}

/// The addresses of what there is now.
pub fn addresses() -> &'static Addresses {
    static ADDRESSES: OnceLock<Addresses> = OnceLock::new();
    ADDRESSES.get_or_init(|| {
        let of = |asset: &Asset| {
            let hash = Sha256::digest(asset.text);
            let hash = URL_SAFE_NO_PAD.encode(&hash[..HASH_BYTES]);
            format!("/dashboard/assets/{}?v={hash}", asset.name)
        };
        let [style, own, uplot_style, uplot, icon] = ASSETS.each_ref().map(of);
        Addresses { styles: [uplot_style, style], scripts: [uplot, own], icon }
    })
}

/// One of them.
pub async fn serve(InPath(name): InPath) -> Result<Response, Refusal> {
    let found = ASSETS.iter().find(|asset| asset.name == name);
    let asset = found.ok_or_else(|| Refusal::not_found("there is no such file"))?;
    let headers = [
        (header::CONTENT_TYPE, asset.kind),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, asset.text).into_response())
}
