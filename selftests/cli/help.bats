#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# --help, the man page and the three completions name the same commands, options and words.
# --help comes from the tables that parse the command line, so it is what the others are held to.

setup() {
	B=$BUILD/bulkhead
	MAN=tools/man/bulkhead.1.scd
	[ -x "$B" ]
}

# --- what each of them says: one word a line, sorted ---------------------------------------------

commands() {
	"$B" --help | sed -n '/^commands:/,/^$/s/^  \([a-z]*\) .*/\1/p' | sort
}

words() { # -x and --xyz in the text on stdin
	grep -oE -- '(^|[^a-zA-Z-])--?[a-zA-Z][a-z-]*' | grep -oE -- '-.*' | sort -u
}

help_options() { # [command]
	"$B" ${1:+"$1"} --help | sed -n '/^options/,/^$/p' | cut -c1-24 | words
}

# Options of a section: the terms of its definition lists.
man_options() { # heading
	awk -v want="$1" '/^#/ { on = ($0 == want || index($0, want " ") == 1) } on && /^\*-/' "$MAN" | words
}

bash_offers() { # words of the line, the last one is being typed
	# shellcheck source=/dev/null
	(
		. tools/completion/bash
		# shellcheck disable=SC2317  # the completion calls it
		compopt() { :; }
		COMP_WORDS=("$@")
		COMP_CWORD=$(($# - 1))
		_bulkhead
		printf '%s\n' "${COMPREPLY[@]}" | sort
	)
}

zsh_block() { # command: its branch of the case
	sed -nE "/^\t([a-z]+ \| )*$1( \| [a-z]+)*\)\$/,/;;/p" tools/completion/zsh
}

zsh_globals() {
	sed -n '/globals=(/,/)$/p' tools/completion/zsh
}

fish_lines() { # command, or "" for what holds everywhere
	if [ -n "$1" ]; then
		grep -F "__fish_seen_subcommand_from $1\"" tools/completion/fish
	else
		grep -E '^complete -c bulkhead -[sl]' tools/completion/fish
	fi
}

fish_options() { # stdin: complete lines
	grep -oE -- '-(s [a-zA-Z]|l [a-z-]+) ' | sed 's/-s /-/; s/-l /--/; s/ $//' | sort -u
}

same() { # what, expected, actual
	[ "$2" = "$3" ] && return
	echo "$1:"
	diff <(echo "$2") <(echo "$3")
	return 1
}

# --- the tests -------------------------------------------------------------------------------------

@test "there are commands and options at all" {
	[ "$(commands | wc -l)" -ge 10 ]
	[ "$(help_options apply | wc -l)" -ge 8 ]
	[ "$(man_options '# OPTIONS' | wc -l)" -ge 7 ]
}

@test "commands: man page" {
	same "man" "$(commands)" "$(sed -nE 's/^## ([a-z]+).*/\1/p' "$MAN" | sort)"
}

@test "commands: completions" {
	same bash "$(commands)" "$(bash_offers bulkhead "")"
	same zsh "$(commands)" "$(sed -nE "/commands=\(/,/\t\)/s/^\t\t'([a-z]+):.*/\1/p" tools/completion/zsh | sort)"
	same fish "$(commands)" \
		"$(sed -nE 's/^complete .*-n __fish_use_subcommand -a ([a-z]+) .*/\1/p' tools/completion/fish | sort)"
	for c in $(commands); do
		[ -n "$(zsh_block "$c")" ]
	done
}

@test "global options" {
	all=$(help_options)
	same man "$all" "$(man_options '# OPTIONS')"
	same bash "$all" "$(bash_offers bulkhead -)"
	same zsh "$all" "$( { zsh_globals; sed -n '/_arguments -C/,/:command:/p' tools/completion/zsh; } | words | grep -v -- '^-C$')"
	same fish "$all" "$( { fish_lines ""; grep -- '-s V' tools/completion/fish; } | fish_options)"
}

@test "options of each command: man page" {
	globals=$(man_options '# OPTIONS' | grep -vxE -- '-V|--version')
	for c in $(commands); do
		same "$c" "$(help_options "$c")" "$( { echo "$globals"; man_options "## $c"; } | grep . | sort -u)"
	done
}

@test "options of each command: bash" {
	for c in $(commands); do
		same "$c" "$(help_options "$c")" "$(bash_offers bulkhead "$c" -)"
	done
}

@test "options of each command: zsh" {
	for c in $(commands); do
		same "$c" "$(help_options "$c")" "$( { zsh_globals; zsh_block "$c"; } | words)"
	done
}

@test "options of each command: fish" {
	for c in $(commands); do
		same "$c" "$(help_options "$c")" "$( { fish_lines ""; fish_lines "$c"; } | fish_options)"
	done
}

@test "arguments of each command: man page" {
	for c in $(commands); do
		usage=$("$B" "$c" --help | sed -nE "s/^usage: bulkhead $c \[OPTION\]\.\.\. ?//p")
		heading=$(sed -nE "s/^## $c ?//p" "$MAN" | sed -E 's/\[--[^]]*\] ?//g')
		same "$c" "$usage" "$heading"
	done
}

# The synopsis of a heading names all of its long options, so that none is added in silence.
@test "options in the headings of the man page" {
	for c in $(commands); do
		same "$c" "$(man_options "## $c" | grep -- ^--)" "$(grep -E "^## $c( |\$)" "$MAN" | words | grep -- ^--)"
	done
}

@test "what can be got, and the modes" {
	objects=$("$B" get --help | sed -n '3,/^$/s/^\([a-z]*\)  .*/\1/p' | sort)
	[ "$(wc -w <<< "$objects")" = 9 ]
	same man "$objects" "$(awk '/^#/ { on = /^## get/ } on' "$MAN" | sed -nE 's/^\*([a-z]+)\*$/\1/p' | sort)"
	same bash "$objects" "$(bash_offers bulkhead get "")"
	same zsh "$objects" "$(zsh_block get | sed -nE "s/.*:object:\((.*)\)'.*/\1/p" | tr ' ' '\n' | sort)"
	same fish "$objects" "$(fish_lines get | sed -nE 's/.*" -a "(.*)"$/\1/p' | tr ' ' '\n' | sort)"
	same bash $'enforce\nobserve' "$(bash_offers bulkhead mode "")"
	same zsh $'enforce\nobserve' "$(zsh_block mode | sed -nE "s/.*:mode:\((.*)\)'/\1/p" | tr ' ' '\n' | sort)"
	same fish $'enforce\nobserve' "$(fish_lines mode | sed -nE 's/.*" -a "(.*)"$/\1/p' | tr ' ' '\n' | sort)"
	# and the program takes these words and no others
	for o in $objects; do
		run "$B" --control /nonexistent get "$o"
		[ "$status" = 1 ]
		run "$B" --control /nonexistent get "${o}x"
		[ "$status" = 2 ]
	done
}

@test "bash: values, and where files are meant" {
	same formats $'json\ntext' "$(bash_offers bulkhead -o "")"
	same "after the command" $'json\ntext' "$(bash_offers bulkhead status --output "")"
	same "formats of flows" $'json\njsonl\ntext\nwide' "$(bash_offers bulkhead flows -o "")"
	same "with =" json "$(bash_offers bulkhead status --output = j)"
	same "options before the command" $'enforce\nobserve' \
		"$(bash_offers bulkhead --control /x -o json mode "")"
	same "-n of apply takes no argument" Makefile "$(bash_offers bulkhead apply -n Makef)"
	same "-n of flows does" "" "$(bash_offers bulkhead flows -n "")"
	same "one operand is enough" "" "$(bash_offers bulkhead mode observe "")"
}

@test "exit codes: --help and the man page" {
	for code in 0 1 2 3; do
		"$B" --help | grep -q "^exit status:.* $code "
		awk '/^#/ { on = /^# EXIT STATUS/ } on' "$MAN" | grep -qx "\*$code\*"
	done
}

@test "help is at most 100 columns wide" {
	for c in "" $(commands); do
		wide=$("$B" ${c:+"$c"} --help | awk 'length($0) > 100')
		[ -z "$wide" ] || { echo "$c: $wide"; return 1; }
	done
}

@test "the man pages are what scdoc takes" {
	command -v scdoc > /dev/null || skip "no scdoc"
	for m in tools/man/*.scd; do
		scdoc < "$m" > "$BATS_TEST_TMPDIR/page"
		grep -q '^\.TH' "$BATS_TEST_TMPDIR/page"
	done
}

@test "bulkheadd: options of --help are in its man page" {
	[ -x "$BUILD/bulkheadd" ] || skip "no agent in this build"
	# what stands in backquotes is another program's
	options=$("$BUILD/bulkheadd" --help | sed 's/`[^`]*`//g' | grep -oE -- '--[a-z-]+' | sort -u)
	[ -n "$options" ]
	for o in $options; do
		grep -qF -- "$o" tools/man/bulkheadd.8.scd || { echo "$o"; return 1; }
	done
}

@test "the shells take the completions" {
	bash -n tools/completion/bash
	command -v zsh > /dev/null && zsh -n tools/completion/zsh
	command -v fish > /dev/null && fish -n tools/completion/fish
	true
}
