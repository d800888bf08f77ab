"""The language of multipathd's socket: which words there are, which commands they form, and who may give them.

In: the text of one request. Out: a `Command`, or a `Refusal` with the whole reply. Pure, and light, as clients import
it for completion and help; must never raise, whatever the text is.

Theory of operation. A request is a line in the language of the configuration file (`desired.conf.lexer`): blanks
separate words, quotes group, `#` and `!` begin a comment, and whatever is not ASCII is a blank. Each word must be a key
of `KEYS`, or the unique beginning of one; a key with a parameter takes the next word, whatever it is. Two keys that
mean the same still make their common beginning ambiguous (`sw`, `mu`), as in multipathd. The keys, in their order, must
be those of a row of `ROWS`. What is wrong decides the reply: see `Trouble`.

Our own commands are rows like the others, but multipathd's language stays as it is: their keys are known only by their
whole word and only where multipathd would know none, they begin nothing, and the help page does not print them.
`OUR_HELP` does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, StrEnum

from desired.conf.lexer import Token, tokenize

BANNER = "multipath-tools v0.14.3 (02/05, 2026)\n"
"""The release whose language this is. Clients look for the version in the help page."""

MOST_KEYS = 4
"""No command has more."""

DENIED = "fail\npermission deny: need to be root\n"
FAILED = "fail\n"


@dataclass(frozen=True, slots=True)
class Key:
    """A word of the language. `means`: the first of the words that mean the same. `takes`: it has a parameter."""

    word: str
    means: str
    takes: bool = False


def _keys(text: str) -> tuple[Key, ...]:
    """Keys as help pages write them: words that mean the same joined by `|`, and `$` behind those with a parameter."""
    found = []
    for item in text.split():
        words = item.removesuffix("$").split("|")
        found += [Key(word, words[0], item.endswith("$")) for word in words]
    return tuple(found)


KEYS = _keys(
    "list|show add remove|del switch|switchgroup suspend resume reinstate fail resize reset reload forcequeueing"
    " disablequeueing restorequeueing paths maps|multipaths path$ map|multipath$ group$ reconfigure daemon status stats"
    " topology config blacklist devices raw wildcards quit|exit shutdown getprstatus setprstatus unsetprstatus format$"
    " json getprkey setprkey unsetprkey key$ local setmarginal unsetmarginal all getprhold setprhold unsetprhold"
    " pathlist$"
)
"""multipathd's, in its order: the help page names the words of one meaning in it."""

OUR_KEYS = _keys("age events since$ md metrics tree dump recorder")

_WORDS: Mapping[str, Key] = {key.word: key for key in (*OUR_KEYS, *KEYS)}
_PARAMETERS = frozenset(key.means for key in (*KEYS, *OUR_KEYS) if key.takes)


class Verb(StrEnum):
    """Every command, by its keys; those of multipathd in the order of its help page."""

    LIST_PATHS = "list paths"
    LIST_PATHS_FORMAT = "list paths format"
    LIST_PATHS_RAW = "list paths raw format"
    LIST_PATH = "list path"
    LIST_MAPS = "list maps"
    LIST_STATUS = "list status"
    LIST_DAEMON = "list daemon"
    LIST_MAPS_STATUS = "list maps status"
    LIST_MAPS_STATS = "list maps stats"
    LIST_MAPS_FORMAT = "list maps format"
    LIST_MAPS_RAW = "list maps raw format"
    LIST_MAPS_TOPOLOGY = "list maps topology"
    LIST_TOPOLOGY = "list topology"
    LIST_MAPS_JSON = "list maps json"
    LIST_MAP_TOPOLOGY = "list map topology"
    LIST_MAP_FORMAT = "list map format"
    LIST_MAP_RAW = "list map raw format"
    LIST_MAP_JSON = "list map json"
    LIST_CONFIG_LOCAL = "list config local"
    LIST_CONFIG = "list config"
    LIST_BLACKLIST = "list blacklist"
    LIST_DEVICES = "list devices"
    LIST_WILDCARDS = "list wildcards"
    RESET_MAPS_STATS = "reset maps stats"
    RESET_MAP_STATS = "reset map stats"
    ADD_PATH = "add path"
    DEL_PATH = "remove path"
    ADD_MAP = "add map"
    DEL_MAP = "remove map"
    DEL_MAPS = "remove maps"
    SWITCH_MAP = "switch map group"
    RECONFIGURE = "reconfigure"
    RECONFIGURE_ALL = "reconfigure all"
    SUSPEND_MAP = "suspend map"
    RESUME_MAP = "resume map"
    RESIZE_MAP = "resize map"
    RELOAD_MAP = "reload map"
    RESET_MAP = "reset map"
    REINSTATE_PATH = "reinstate path"
    FAIL_PATH = "fail path"
    DISABLE_QUEUEING_MAP = "disablequeueing map"
    RESTORE_QUEUEING_MAP = "restorequeueing map"
    DISABLE_QUEUEING_MAPS = "disablequeueing maps"
    RESTORE_QUEUEING_MAPS = "restorequeueing maps"
    QUIT = "quit"
    SHUTDOWN = "shutdown"
    GET_PR_STATUS = "getprstatus map"
    SET_PR_STATUS = "setprstatus map"
    SET_PR_STATUS_LIST = "setprstatus map pathlist"
    UNSET_PR_STATUS = "unsetprstatus map"
    FORCE_QUEUEING_DAEMON = "forcequeueing daemon"
    RESTORE_QUEUEING_DAEMON = "restorequeueing daemon"
    GET_PR_KEY = "getprkey map"
    SET_PR_KEY = "setprkey map key"
    UNSET_PR_KEY = "unsetprkey map"
    SET_MARGINAL = "setmarginal path"
    UNSET_MARGINAL = "unsetmarginal path"
    UNSET_MARGINALS = "unsetmarginal map"
    GET_PR_HOLD = "getprhold map"
    SET_PR_HOLD = "setprhold map"
    UNSET_PR_HOLD = "unsetprhold map"

    LIST_AGE = "list age"
    LIST_TREE = "list tree"
    LIST_METRICS = "list metrics"
    LIST_EVENTS = "list events"
    LIST_EVENTS_SINCE = "list events since"
    LIST_MD = "list md"
    DUMP_RECORDER = "dump recorder"

    @property
    def keys(self) -> tuple[str, ...]:
        """The meanings of its keys, in order."""
        return tuple(self.split())

    @property
    def parameters(self) -> tuple[str, ...]:
        """Those of its keys that take a parameter."""
        return tuple(key for key in self.keys if key in _PARAMETERS)

    @property
    def ours(self) -> bool:
        """Whether multipathd does not have it."""
        return any(_WORDS[key] in OUR_KEYS for key in self.keys)

    @property
    def needs_root(self) -> bool:
        """Whether only root may give it: everything but looking."""
        return self.keys[0] != "list"


ROWS = tuple(verb for verb in Verb if not verb.ours)
OUR_ROWS = tuple(verb for verb in Verb if verb.ours)
_BY_KEYS: Mapping[tuple[str, ...], Verb] = {verb.keys: verb for verb in Verb}


@dataclass(frozen=True, slots=True)
class Command:
    """A request that was understood. `arguments`: the parameters by the meaning of their key (`map`, `format` ...)."""

    verb: Verb
    arguments: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that was not understood, with its reply."""

    reply: str


class Trouble(Enum):
    """What can be wrong with a request; the value is what the help page says of it, None: no help page."""

    EMPTY = "Not enough memory"
    """No words at all; multipathd blames its memory."""
    UNKNOWN_LAST = "not found"
    """The last word is no key, or the beginning of several."""
    UNKNOWN = None
    """Another word is."""
    MISSING = "Missing argument"
    """A key without its parameter; or keys that form no command."""


def find_key(word: str) -> Key | None:
    """The key that a word means: the key itself, or the only one of multipathd's that begins with it."""
    whole = _WORDS.get(word)
    if whole is not None:
        return whole
    beginning = [key for key in KEYS if key.word.startswith(word)]
    return beginning[0] if len(beginning) == 1 else None


def read_keys(text: str) -> list[tuple[Key, str]] | Trouble:
    """The keys of a request, each with its parameter (empty for those that take none)."""
    tokens = tokenize(text)
    return _pair(tokens) if tokens else Trouble.EMPTY


def _pair(tokens: Sequence[Token]) -> list[tuple[Key, str]] | Trouble:
    pairs: list[tuple[Key, str]] = []
    waiting: Key | None = None
    for place, token in enumerate(tokens, 1):
        if token.quote:
            continue
        if waiting is not None:
            pairs.append((waiting, token.text))
            waiting = None
            continue
        key = find_key(token.text)
        if key is None:
            return Trouble.UNKNOWN_LAST if place == len(tokens) else Trouble.UNKNOWN
        if key.takes:
            waiting = key
        else:
            pairs.append((key, ""))
    return pairs if waiting is None else Trouble.MISSING


def parse(text: str) -> Command | Refusal:
    """The command that a request is. What follows a NUL does not count."""
    text = text.partition("\0")[0]
    pairs = read_keys(text)
    if isinstance(pairs, Trouble):
        return _refuse(text, pairs)
    verb = _BY_KEYS.get(tuple(key.means for key, _ in pairs)) if len(pairs) <= MOST_KEYS else None
    if verb is None:
        return _refuse(text, Trouble.MISSING)
    return Command(verb, {key.means: parameter for key, parameter in pairs if key.takes})


def _refuse(text: str, trouble: Trouble) -> Refusal:
    return Refusal(FAILED if trouble.value is None else f"{FAILED}{text}: {trouble.value}\n{HELP_PAGE}")


def _synopsis(verb: Verb) -> str:
    """A command with all the words that its keys have: ` list|show map|multipath $map json`."""
    words = {means: "|".join(key.word for key in _WORDS_IN_ORDER if key.means == means) for means in verb.keys}
    return "".join(f" {words[means]}" + (f" ${means}" if means in _PARAMETERS else "") for means in verb.keys)


_WORDS_IN_ORDER = (*KEYS, *OUR_KEYS)
HELP_PAGE = f"{BANNER}CLI commands reference:\n" + "".join(f"{_synopsis(verb)}\n" for verb in ROWS)
OUR_HELP = "".join(f"{_synopsis(verb)}\n" for verb in OUR_ROWS)


def quoted(word: str) -> str:
    """A word as one argument of a request; only one that would not stay one word gets quotes."""
    plain = [(token.text, token.quote) for token in tokenize(word)] == [(word, False)]
    return word if plain else '"' + word.replace('"', '""') + '"'
