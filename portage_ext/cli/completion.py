"""portage-ext completion: what bash, zsh and fish need to complete its commands, made from the very parsers that read them.

``olm`` is completed as what it is short for, ``portage-ext pick``.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from portage_ext.cli.commands import GROUPS, INTERNAL
from portage_ext.cli.setup import installer_options

SHORT: Final = "olm"
FOR: Final = "pick"
"""The command for which ``olm`` is short."""


@dataclass(frozen=True, slots=True)
class Option:
    """An option's names, its help, whether a value follows, and the values that there are (none: any)."""

    names: tuple[str, ...]
    help: str
    takes_value: bool
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Words:
    """What may follow the words ``path``: ``commands`` with their help, and options."""

    path: tuple[str, ...]
    options: tuple[Option, ...]
    commands: dict[str, str] = field(default_factory=dict)


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=sorted(_SCRIPTS), metavar="SHELL", help="bash, zsh or fish")


def run(options: argparse.Namespace) -> int:
    # The parser of everything; imported here, because it is what imports this.
    from portage_ext.cli import main

    words = [one for one in described(main.whole_parser()) if not set(one.path[:1]) & GROUPS[INTERNAL].keys()]
    # The installer reads its options itself, so its parser here knows none of them.
    words = [replace(one, options=_installers()) if one.path == ("setup",) else one for one in words]
    for name in GROUPS[INTERNAL]:
        del words[0].commands[name]
    print("\n".join(_SCRIPTS[options.shell](words)))
    return 0


def _installers() -> tuple[Option, ...]:
    return tuple(Option((one.name,), one.help, one.takes_value) for one in installer_options())


def described(parser: argparse.ArgumentParser, path: tuple[str, ...] = ()) -> Iterator[Words]:
    """What may follow each beginning of a command line that ``parser`` reads, the empty beginning first."""
    options: list[Option] = []
    commands: dict[str, str] = {}
    below: list[tuple[str, argparse.ArgumentParser]] = []
    for action in parser._actions:  # argparse has no other word for it
        if isinstance(action, argparse._SubParsersAction):
            commands |= {name: sub.description or "" for name, sub in action.choices.items()}
            commands |= {choice.dest: choice.help or "" for choice in action._choices_actions}
            below += list(action.choices.items())
        elif action.option_strings:
            text = (action.help or "") % {**vars(action), "prog": parser.prog}
            choices = tuple(map(str, action.choices or ()))
            options.append(Option(tuple(action.option_strings), text, action.nargs != 0, choices))
        elif action.choices:
            commands |= dict.fromkeys(map(str, action.choices), "")
    yield Words(path, tuple(options), commands)
    for name, sub in below:
        yield from described(sub, (*path, name))


def _bash(words: list[Words]) -> list[str]:
    lines = [
        "# bash completion of portage-ext; made by `portage-ext completion bash`",
        "_portage_ext() {",
        "    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} words='' line=''",
        f"    [[ ${{COMP_WORDS[0]##*/}} != {SHORT} ]] || line={FOR}",
        '    (( COMP_CWORD == 1 )) || line+="${line:+ }${COMP_WORDS[*]:1:COMP_CWORD-1}"',
        '    case "$line " in',
    ]
    # The longest beginning first: the first pattern that fits decides.
    for one in sorted(words, key=lambda one: -len(one.path)):
        every = [*one.commands, *(name for option in one.options for name in option.names)]
        lines.append(f"        {_quoted(' '.join(one.path) + ' ') if one.path else ''}*)")
        lines.append(f"            words={_quoted(' '.join(every))}")
        with_choices = [option for option in one.options if option.choices]
        with_values = [name for option in one.options if option.takes_value and not option.choices for name in option.names]
        if with_choices or with_values:
            lines.append("            case $before in")
            lines += [f"                {'|'.join(o.names)}) words={_quoted(' '.join(o.choices))} ;;" for o in with_choices]
            lines += [f"                {'|'.join(with_values)}) words= ;;"] if with_values else []
            lines.append("            esac")
        lines.append("            ;;")
    return [*lines, "    esac", '    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")', "}", _BASH_END]


_BASH_END = f"complete -o bashdefault -o default -F _portage_ext portage-ext {SHORT}"


_ZSH_PLAIN = str.maketrans("[]:", "();")


def _zsh(words: list[Words]) -> list[str]:
    lines = [
        f"#compdef portage-ext {SHORT}",
        "# made by `portage-ext completion zsh`",
        f"if [[ ${{words[1]:t}} == {SHORT} ]]; then",
        f'    words=(portage-ext {FOR} "${{(@)words[2,-1]}}")',
        "    (( ++CURRENT ))",
        "fi",
        'case "${words[2,CURRENT-1]} " in',
    ]
    for one in sorted(words, key=lambda one: -len(one.path)):
        lines.append(f"    {_quoted(' '.join(one.path) + ' ') if one.path else ''}*)")
        if one.commands:
            lines.append("        local -a commands=(")
            lines += [f"            {_quoted(f'{name}:{text}')}" for name, text in one.commands.items()]
            lines += ["        )", "        _describe command commands"]
        lines.append(f"        shift {len(one.path)} words; (( CURRENT -= {len(one.path)} ))")
        lines.append("        _arguments \\")
        for option in one.options:
            text = option.help.translate(_ZSH_PLAIN)
            value = f":value:({' '.join(option.choices)})" if option.choices else ":value:_files" if option.takes_value else ""
            lines += [f"            {_quoted(f'{name}[{text}]{value}')} \\" for name in option.names]
        lines += ["            '*:file:_files'", "        ;;"]
    return [*lines, "esac"]


def _fish(words: list[Words]) -> list[str]:
    lines = ["# made by `portage-ext completion fish`", *_fish_of("portage-ext", words)]
    return lines + list(_fish_of(SHORT, [replace(one, path=one.path[1:]) for one in words if one.path[:1] == (FOR,)]))


def _fish_of(program: str, words: list[Words]) -> Iterator[str]:
    for one in words:
        seen = [f"__fish_seen_subcommand_from {name}" for name in one.path]
        seen += [f"not __fish_seen_subcommand_from {' '.join(one.commands)}"] if one.commands else []
        condition = _quoted("; and ".join(seen) or "true")
        for name, text in one.commands.items():
            yield f"complete -c {program} -n {condition} -f -a {name} -d {_quoted(text)}"
        where = _quoted("; and ".join(f"__fish_seen_subcommand_from {name}" for name in one.path) or "__fish_use_subcommand")
        for option in one.options:
            names = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names)
            value = f" -x -a {_quoted(' '.join(option.choices))}" if option.choices else " -r" if option.takes_value else ""
            yield f"complete -c {program} -n {where} {names}{value} -d {_quoted(option.help)}"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


_SCRIPTS = {"bash": _bash, "zsh": _zsh, "fish": _fish}
