#!/usr/bin/env bash
# `make asyncapi`: docs/asyncapi.yaml read by AsyncAPI's own parser. Fails where it finds an error; what it merely suggests is shown.
# The gate's own test (tests/asyncapi.rs) holds the document against the code; this one needs npm.
# Owns: target/tools/asyncapi.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib.sh
. "$here/lib.sh"
cd "$here/../.."
tools=${CARGO_TARGET_DIR:-$PWD/target}/tools/asyncapi
need node nodejs
npm_package "$tools" @asyncapi/parser 3.6.6 >/dev/null
cat >"$tools/check.mjs" <<'JS'
import { Parser, fromFile } from "@asyncapi/parser";
const { document, diagnostics } = await fromFile(new Parser(), process.argv[2]).parse();
for (const { severity, path, message } of diagnostics) console.log(`${severity} ${path.join(".")}: ${message}`);
if (!document || diagnostics.some(({ severity }) => severity === 0)) process.exit(1);
console.log(`AsyncAPI ${document.version()}: ${document.operations().all().length} operations, ${document.messages().all().length} messages`);
JS
node "$tools/check.mjs" docs/asyncapi.yaml
