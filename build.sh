#!/usr/bin/env bash
# Builds, shows and tests Interlock. Every tool that is missing is brought into the target folder,
# except what belongs to the machine: Rust's targets (rustup) and Chromium (the package manager).
set -euo pipefail

usage() {
  cat <<'TEXT'
./build.sh                   build everything; the extension to load is then in dist/extension
./build.sh demo              three agents in one Chromium
./build.sh test              every check and every test
./build.sh test PART [FILTER]
                             one part: lint, core, sim, e2e, tidy or foreign; FILTER is a part of a test's name
    --repeat N               run it N times, stop at the first failure
    SIM_SEED=…               replay one seed of the simulation
    SIM_RUN='SCRIPT / FAULT / STEP'
                             replay one script of it with one fault
    CUTS=N                   in e2e, cut a session's connection after every Nth byte, not only here and there
./build.sh bench             figures, beside two peers where npm is there; written to benches/FIGURES.md
    --quick                  a tenth of the samples, written nowhere
./build.sh torture [PART [TIMES [SEED]]]
                             kill worker, server, extension or browser under four agents, hundreds of times
./build.sh side-by-side [--playwright-extension FOLDER] [--times N]
                             the worker dies under Interlock and under @playwright/mcp --extension; see benches/DEATHS.md
./build.sh soak [MINUTES]    new seeds of the simulation, for ten minutes unless said otherwise
./build.sh fuzz [SECONDS [BODY…]]
                             grow the corpus of bad input, a minute for each body unless said otherwise
    E2E_HEADED=1             show the browsers that are otherwise headless, on your display
    KEEP=1                   keep profiles and logs of the end-to-end tests
TEXT
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$root"

# wasm-pack 0.15.1: the newest release. An installed one of this very version is used as it is.
wasm_pack_version=0.15.1
# binaryen 132.0.0: the newest on npm. It carries wasm-opt inside, so nothing else is downloaded.
binaryen_version=132.0.0
# The peers of the bench, each at its newest.
playwright_mcp_version=0.0.83
chrome_devtools_mcp_version=1.11.0

target=${CARGO_TARGET_DIR:-target}
case $target in /*) ;; *) target=$root/$target ;; esac
tools=$target/tools
package=$target/extension-package
bundle=$target/extension-bundle
interlock=$target/release/interlock
export CARGO_TARGET_DIR=$target

# --- telling --------------------------------------------------------------------------------------

say() { printf '%s\n' "$*"; }

needs() { printf 'build.sh needs %s\n' "$*" >&2; exit 1; }

has() { command -v "$1" >/dev/null 2>&1; }

# run_steps "title|function"…: one after the other, with number and time. A failure ends the script.
run_steps() {
  local step number=0 started
  for step; do
    number=$((number + 1))
    started=$SECONDS
    say "[$number/$#] ${step%%|*}"
    "${step#*|}"
    say "[$number/$#] done in $((SECONDS - started)) s"
  done
}

# --- what the machine must have -------------------------------------------------------------------

check_machine() {
  has cargo || needs "Rust: see https://rustup.rs"
  has cc || needs "a C linker: apt-get install build-essential, or what your system calls it"
  bring_target wasm32-unknown-unknown
}

bring_target() {
  has_target "$1" && return
  has rustup || needs "Rust's $1 target: install it the way this Rust was installed"
  rustup target add "$1" || needs "Rust's $1 target: rustup target add $1"
}

has_target() { [ -d "$(rustc --print target-libdir --target "$1" 2>/dev/null)" ]; }

bring_chromium() {
  [ -n "${CHROMIUM:-}" ] || has chromium || has chromium-browser ||
    apt_install chromium "Chromium: install it with your package manager, or name it in CHROMIUM"
  say "    $(chromium_version)"
}

# A screen that no hardware shows, a window manager, and hands for mouse and keyboard.
bring_screen() {
  has Xvfb || apt_install xvfb "Xvfb: install it with your package manager"
  has blackbox || apt_install blackbox "blackbox: install it with your package manager"
  has xdotool || apt_install xdotool "xdotool: install it with your package manager"
}

# Where the tests of the WebAssembly side run: in node, or in Chromium by way of its driver.
bring_javascript() {
  has node || has chromedriver ||
    apt_install chromium-driver "node or chromedriver: install one with your package manager"
}

# apt_install PACKAGE NEED: where this user may, else the line that says what is needed.
apt_install() {
  local sudo=() log=$target/apt-get.log
  has apt-get || needs "$2"
  if [ "$(id -u)" != 0 ]; then
    { has sudo && sudo -n true 2>/dev/null; } || needs "${2%%:*}: sudo apt-get install $1"
    sudo=(sudo -n)
  fi
  say "    apt-get install $1"
  mkdir -p "$target"
  { ${sudo[@]+"${sudo[@]}"} apt-get update -qq &&
    ${sudo[@]+"${sudo[@]}"} env DEBIAN_FRONTEND=noninteractive \
      apt-get install -y -qq --no-install-recommends "$1"
  } >"$log" 2>&1 || needs "${2%%:*}, and apt-get could not install $1 (see $log)"
}

chromium_version() {
  local program=${CHROMIUM:-}
  [ -n "$program" ] || program=$(command -v chromium || command -v chromium-browser)
  "$program" --version 2>/dev/null | head -n 1
}

# --- the tools ------------------------------------------------------------------------------------

bring_wasm_bindgen() {
  cargo build --locked -p interlock-wasm-bindgen
  PATH=$target/debug:$PATH
}

bring_wasm_pack() {
  PATH=$tools/bin:$PATH
  if has_wasm_pack; then return; fi
  # The debug profile: it compiles in half the time and only starts other programs.
  CARGO_TARGET_DIR=$tools/build cargo install wasm-pack --version "$wasm_pack_version" --locked --debug --force --root "$tools" &&
    rm -rf "$tools/build"
  has_wasm_pack || needs "wasm-pack $wasm_pack_version: cargo install wasm-pack --version $wasm_pack_version --locked"
}

has_wasm_pack() { [ "$(wasm-pack --version 2>/dev/null)" = "wasm-pack $wasm_pack_version" ]; }

# --- the build, in this order: core, bundle, binary, folder ---------------------------------------

# The libraries are made as small as the core itself (Cargo.toml); in the server they are made fast. The
# functions keep their names for shrink_core.
build_core() {
  CARGO_PROFILE_RELEASE_OPT_LEVEL=z CARGO_PROFILE_RELEASE_STRIP=none \
    CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS='--cfg sha2_backend_soft="compact"' \
    wasm-pack --log-level warn build extension-core --mode no-install --release --target web --no-typescript --no-pack \
    --out-dir "$package" -- --locked
}

# Shrinks the module, once for each content: the npm build of wasm-opt takes some seconds.
shrink_core() {
  local module=$package/extension_core_bg.wasm shrunk
  if ! bring_wasm_opt; then
    say "    left out: it needs npm, whose package binaryen $binaryen_version holds wasm-opt"
    say "    the module works as well, but is larger and keeps the names of its functions"
    return
  fi
  shrunk=$tools/shrunk/$(checksum <"$module").wasm
  if [ ! -f "$shrunk" ]; then
    rm -rf "$tools/shrunk" && mkdir -p "$tools/shrunk"
    # No feature flags: wasm-opt reads those the module declares. --all-features makes invalid modules.
    # Not -Oz: what it makes is a little shorter, but compresses worse, so that it is longer gzipped.
    # By name, what was compiled from one generic function stands together, and gzip sees it: 2 % less.
    "$tools/binaryen/node_modules/.bin/wasm-opt" -O1 "$module" -o "$shrunk.part" \
      --reorder-functions-by-name --strip-debug --strip-producers
    mv "$shrunk.part" "$shrunk"
  fi
  cp "$shrunk" "$module"
  say "    $(gzip -9 -c "$module" | wc -c | tr -d ' ') bytes, gzipped"
}

bring_wasm_opt() {
  has npm || return 1
  [ -x "$tools/binaryen/node_modules/.bin/wasm-opt" ] ||
    npm install --prefix "$tools/binaryen" --no-save --no-audit --no-fund --loglevel error "binaryen@$binaryen_version"
}

checksum() { cksum | tr ' ' '-'; }

# Shell and core in one folder, without anybody's secret. An unchanged one keeps its times, so that
# the binary around it is not built again.
build_bundle() {
  local next=$bundle.next file
  rm -rf "$next"
  mkdir -p "$next/pkg"
  cp "$package/extension_core.js" "$package/extension_core_bg.wasm" "$next/pkg/"
  for file in extension-shell/*; do
    case ${file##*/} in
      pkg | pairing.json | config.json | *.md | *.test.js) ;;
      *) cp -R "$file" "$next/" ;;
    esac
  done
  if diff -rq "$next" "$bundle" >/dev/null 2>&1; then
    rm -rf "$next"
  else
    rm -rf "$bundle"
    mv "$next" "$bundle"
  fi
  embed_bundle
}

# What the server's build script puts into the binary. Once there is a bundle, every command names it:
# to go to and fro would compile the server anew each time.
embed_bundle() { [ ! -d "$bundle" ] || export INTERLOCK_BUNDLE_DIR=$bundle; }

build_interlock() { cargo build --locked --release -p interlock; }

write_extension() { "$interlock" extension dist/extension; }

build_steps=(
  "Rust and its wasm32 target|check_machine"
  "wasm-bindgen, from Cargo.lock|bring_wasm_bindgen"
  "wasm-pack $wasm_pack_version|bring_wasm_pack"
  "extension-core to WebAssembly|build_core"
  "wasm-opt|shrink_core"
  "the extension's bundle|build_bundle"
  "interlock|build_interlock"
)

# --- commands -------------------------------------------------------------------------------------

build() {
  run_steps "${build_steps[@]}" "dist/extension|write_extension"
}

demo() {
  run_steps "${build_steps[@]}" "Chromium|bring_chromium" "three agents, one browser|run_demo"
}

run_demo() { INTERLOCK_BIN=$interlock cargo run --quiet --locked -p interlock-e2e --bin demo; }

# bench [--quick]: the peers are left out, and the table says so, where npm is not there.
bench() {
  local words=(--save benches/FIGURES.md)
  [ "${1:-}" != --quick ] || words=(--quick)
  run_steps "${build_steps[@]}" "Chromium|bring_chromium" "peers|bring_peers"
  [ ! -d "$tools/peers/node_modules" ] || words+=(--peers "$tools/peers")
  INTERLOCK_BIN=$interlock cargo run --quiet --locked --release -p interlock-benches --bin bench -- "${words[@]}"
}

# torture [PART [TIMES [SEED]]]: prints what deaths cost.
torture() { run_steps "${build_steps[@]}" "Chromium|bring_chromium"; run_torture "$@"; }

run_torture() { INTERLOCK_BIN=$interlock cargo run --quiet --locked -p interlock-e2e --bin torture -- "$@"; }

# side_by_side [--playwright-extension FOLDER] [--times N]: what agents read after the worker's death.
side_by_side() {
  local word words=("$@")
  run_steps "${build_steps[@]}" "Chromium|bring_chromium" "a screen|bring_screen" "peers|bring_peers"
  for word; do
    [ "$word" != --playwright-extension ] || words+=(--playwright-mcp "$tools/peers")
  done
  INTERLOCK_BIN=$interlock cargo run --quiet --locked -p interlock-benches --bin side_by_side -- ${words[@]+"${words[@]}"}
}

bring_peers() {
  if ! has npm; then
    say "    left out: they need node and npm"
    return
  fi
  # Their own browsers are not needed.
  PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 PUPPETEER_SKIP_DOWNLOAD=1 \
    npm install --prefix "$tools/peers" --no-save --no-audit --no-fund --loglevel error \
    "@playwright/mcp@$playwright_mcp_version" "chrome-devtools-mcp@$chrome_devtools_mcp_version"
}

# test_parts: run each named part, note its result and time, go on with the others.
summary=()
failed=0

run_part() {
  local name=$1 started=$SECONDS status=0 result=passed
  shift
  say "== $name"
  # A subshell of its own, outside any condition, so that `set -e` holds inside.
  set +e
  (
    set -e
    "$@"
  )
  status=$?
  set -e
  if [ "$status" != 0 ]; then
    result=FAILED
    failed=1
  fi
  summary+=("$(printf '%-8s %-7s %4d s' "$name" "$result" $((SECONDS - started)))")
}

test_lint() {
  cargo fmt --all --check
  cargo clippy --locked --workspace --all-targets -- -D warnings
  cargo clippy --locked -p interlock-extension-core --target wasm32-unknown-unknown -- -D warnings
}

test_core() {
  cargo test --locked --no-fail-fast -p interlock-protocol -p interlock-extension-core -p interlock-server-core -p interlock -p interlock-fuzz "$@"
  has node || export WASM_BINDGEN_USE_BROWSER=1
  CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER=$target/debug/wasm-bindgen-test-runner \
    cargo test --locked --no-fail-fast -p interlock-extension-core --target wasm32-unknown-unknown "$@"
}

# Prints the seeds that it plays. One that was asked for is played alone, and so is a script's run.
test_sim() {
  if [ -n "${SIM_RUN:-}" ]; then
    cargo test --locked --no-fail-fast -p interlock-sim the_run_that_was_asked_for -- --nocapture
  elif [ -n "${SIM_SEED:-}" ]; then
    cargo test --locked --no-fail-fast -p interlock-sim the_seed_that_was_asked_for -- --nocapture
  else
    cargo test --locked --no-fail-fast -p interlock-sim "$@" -- --show-output
  fi
}

soak() { cargo run --locked --release -p interlock-sim --bin soak -- "$@"; }

# Counters are put into everything, and read by the program itself: the profile goes nowhere.
fuzz() {
  CARGO_TARGET_DIR=$target/fuzz RUSTFLAGS="-C instrument-coverage" LLVM_PROFILE_FILE=/dev/null \
    cargo run --locked -p interlock-fuzz --features coverage -- "$@"
}

test_e2e() { INTERLOCK_BIN=$interlock cargo test --locked --no-fail-fast -p interlock-e2e -p interlock-cut -p interlock-benches "$@"; }

test_tidy() { cargo test --locked --no-fail-fast -p interlock-tidy "$@"; }

# macOS and Windows are compiled, never run.
test_foreign() {
  local triple
  for triple in x86_64-pc-windows-gnu aarch64-apple-darwin; do
    bring_target "$triple"
    cargo check --locked -p interlock --target "$triple"
  done
}

test_all() {
  local part
  run_steps "${build_steps[@]}" "Chromium|bring_chromium" "a screen|bring_screen" \
    "a JavaScript engine|bring_javascript"
  for part in lint core sim e2e tidy foreign; do
    run_part "$part" "test_$part"
  done
}

test_one() {
  local part=$1
  shift
  case $part in
    e2e) run_steps "${build_steps[@]}" "Chromium|bring_chromium" "a screen|bring_screen" ;;
    core)
      run_steps "Rust and its wasm32 target|check_machine" "wasm-bindgen, from Cargo.lock|bring_wasm_bindgen" \
        "a JavaScript engine|bring_javascript"
      ;;
    lint | sim | tidy | foreign) run_steps "Rust and its wasm32 target|check_machine" ;;
    *) usage >&2; exit 2 ;;
  esac
  run_part "$part" "test_$part" "$@"
}

run_tests() {
  local repeat=1 words=() round
  while [ $# -gt 0 ]; do
    case $1 in
      --repeat) repeat=${2:?--repeat needs a number}; shift 2 ;;
      *) words+=("$1"); shift ;;
    esac
  done
  for ((round = 1; round <= repeat && failed == 0; round++)); do
    [ "$repeat" = 1 ] || say "round $round of $repeat"
    if [ ${#words[@]} = 0 ]; then test_all; else test_one "${words[@]}"; fi
  done
  say ""
  printf '%s\n' "${summary[@]}"
  [ "$failed" = 0 ]
}

embed_bundle
case ${1:-build} in
  build) build ;;
  demo) demo ;;
  test) shift; run_tests "$@" ;;
  bench) shift; bench "$@" ;;
  torture) shift; torture "$@" ;;
  side-by-side) shift; side_by_side "$@" ;;
  soak) shift; soak "$@" ;;
  fuzz) shift; fuzz "$@" ;;
  -h | --help | help) usage ;;
  *) usage >&2; exit 2 ;;
esac
