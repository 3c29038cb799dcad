//! A FILE argument that is read as a whole, `-` for standard input: what `referral rates load` and
//! `referral goods load` share.
//!
//! Owns the limit, stopping, and the mark before the first line; what is in the file is the command's.
use std::path::Path;

use anyhow::bail;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::Tools;

/// What some editors put before the first line.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What is in a file of at most so many bytes, without its byte order mark; an error when the command
/// is stopped first, also while standard input is silent.
pub(super) async fn contents(
    path: &Path,
    bytes_max: u64,
    tools: &Tools,
) -> anyhow::Result<Vec<u8>> {
    tokio::select! {
        biased;
        () = tools.shutdown.cancelled() => bail!("stopped"),
        text = read_path(path, bytes_max) => text,
    }
}

async fn read_path(path: &Path, bytes_max: u64) -> anyhow::Result<Vec<u8>> {
    if path == Path::new("-") {
        read(tokio::io::stdin(), bytes_max).await
    } else {
        read(tokio::fs::File::open(path).await?, bytes_max).await
    }
}

async fn read(input: impl AsyncRead + Unpin, bytes_max: u64) -> anyhow::Result<Vec<u8>> {
    let mut text = Vec::new();
    input.take(bytes_max + 1).read_to_end(&mut text).await?;
    if text.len() as u64 > bytes_max {
        bail!("is over {bytes_max} bytes");
    }
    if text.starts_with(BYTE_ORDER_MARK) {
        text.drain(..BYTE_ORDER_MARK.len());
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_input_is_read_as_a_whole_without_its_mark_or_refused() {
        for (text, expected) in [
            ("", Ok("")),
            ("\u{feff}", Ok("")),
            ("\u{feff}a\u{feff}", Ok("a\u{feff}")),
            ("abcdefghij", Ok("abcdefghij")),
            ("abcdefghijk", Err("is over 10 bytes".to_owned())),
        ] {
            let found = read(text.as_bytes(), 10).await.map_err(|error| error.to_string());
            assert_eq!(found, expected.map(|text| text.as_bytes().to_vec()), "{text:?}");
        }
    }
}
