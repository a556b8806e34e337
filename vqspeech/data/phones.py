r"""The 41 phones that units are compared with, and the mapping of other phone sets onto them.

The inventory is the 39 phones of CMUdict (ARPAbet without stress) with `sil` (silence, pauses) and `spn` (spoken
noise, words out of vocabulary), the set of forced aligners such as Kaldi's and MFA's `english_us_arpa`; van den Oord et
al. (arXiv 1711.00937, section 4.3) count 41 phonemes as well.

Sources that can be folded:

- `arpabet`: CMUdict, with or without stress digits, in either case; silences by any of their usual names.
- `timit`: the 61 labels of TIMIT, after Lee & Hon (1989), with these differences: a closure belongs to its stop or
  affricate (see `is_closure_of`), as in forced alignments (they fold closures into silence); `zh` and `ao` stay;
  `dx` is `t`; the glottal stop `q` has no phone (they delete it).
- `buckeye`: those of TIMIT, nasal vowels (`ehn`) and the glottal `tq`.
- `ipa`: MFA's `english_mfa` sets and espeak-ng's IPA; length, aspiration, voicing and place marks are dropped; symbols
  may be written as Praat's backslash trigraphs (`\sw` for ə).
- `espeak`, `espeak-gb`: espeak-ng's mnemonics of rhotic and of non-rhotic English.

Labels that stand for several phones (`ɛɹ`, `@L`) are split, see `split_label`.
"""

import re
import unicodedata
from functools import lru_cache

SILENCE = "sil"
NOISE = "spn"
_VOWELS = "aa ae ah ao aw ay eh er ey ih iy ow oy uh uw"
_CONSONANTS = "b ch d dh f g hh jh k l m n ng p r s sh t th v w y z zh"
PHONES: tuple[str, ...] = (SILENCE, NOISE, *_VOWELS.split(), *_CONSONANTS.split())
"""The inventory; `sil` is index 0."""
INDEX: dict[str, int] = {phone: index for index, phone in enumerate(PHONES)}
"""Index of each phone in `PHONES`."""


def _parse_table(text: str) -> dict[str, tuple[str, ...]]:
    """Return the table of `a=b c d=e+f`: label=phone[+phone], one label per word."""
    return {label: tuple(p for p in phones.split("+") if p) for label, phones in (w.split("=") for w in text.split())}


_STRESSED = re.compile(r"^([aeiou][a-z])[012]$")

_PAUSES = _parse_table(
    "sil=sil sp=sil pau=sil pause=sil h#=sil #h=sil #=sil <eps>=sil <sil>=sil epi=sil silence=sil _=sil ssil=sil "
    "brth=sil {b_trans}=sil {e_trans}=sil spn=spn nsn=spn noise=spn lau=spn laugh=spn laughter=spn <unk>=spn unk=spn "
    "unknown=spn oov=spn ns=spn vocnoise=spn iver=spn <iver>=spn"
) | {"": (SILENCE,)}

_ARPABET = _PAUSES | {phone: (phone,) for phone in PHONES} | _parse_table("ax=ah axr=er ix=ih ux=uw hv=hh")

_TIMIT = _ARPABET | _parse_table("ax-h=ah el=l em=m en=n eng=ng nx=n dx=t bcl=b dcl=d gcl=g pcl=p tcl=t kcl=k")

_BUCKEYE = _TIMIT | {f"{vowel}n": (vowel,) for vowel in _VOWELS.split()} | _parse_table("tq=t")

_IPA_AS_WRITTEN = _parse_table(
    "p=p b=b t=t d=d k=k g=g ɡ=g c=k ɟ=g tʃ=ch dʒ=jh ʧ=ch ʤ=jh f=f v=v θ=th ð=dh s=s z=z ʃ=sh ʒ=zh h=hh ɦ=hh ç=hh "
    "ʈ=t ɖ=d kp=k ɡb=g tɕ=ch dʑ=jh ʋ=v ɕ=sh ʑ=zh ɭ=l "
    "m=m ɱ=m n=n ɲ=n ŋ=ng l=l ɫ=l ʎ=l ɹ=r r=r ɻ=r j=y w=w ʍ=w ɾ=t ʔ=t x=k "
    "i=iy ɪ=ih ᵻ=ih ɨ=ih e=ey ɛ=eh æ=ae a=ae ɑ=aa ɒ=aa ɔ=ao o=ow ʊ=uh u=uw ʉ=uw ʌ=ah ə=ah ɐ=ah ɜ=er ɝ=er ɚ=er "
    "aɪ=ay aj=ay ɑɪ=ay aʊ=aw aw=aw eɪ=ey ej=ey ɛɪ=ey oʊ=ow ow=ow əʊ=ow əw=ow ɔɪ=oy ɔj=oy"
)
_IPA = {unicodedata.normalize("NFD", label): phones for label, phones in _IPA_AS_WRITTEN.items()}
_IPA_MARKS = str.maketrans({"ε": "ɛ", "ǝ": "ə"} | dict.fromkeys("ˈˌːˑʰʲʷˠ|‿.˞"))
_CEDILLA = "\u0327"
_TRIGRAPHS: dict[str, str] = dict(
    re.findall(
        r"(\S+)=(\S)",
        r"\ic=ɪ \hs=ʊ \sw=ə \ef=ɛ \ep=ɛ \er=ɜ \vt=ʌ \ct=ɔ \ae=æ \at=ɐ \as=ɑ \ab=ɒ \sr=ɚ \u-=ʉ \i-=ɨ \ng=ŋ \nj=ɲ "
        r"\mj=ɱ \te=θ \dh=ð \sh=ʃ \zh=ʒ \rt=ɹ \r.=ɻ \fh=ɾ \l~=ɫ \yt=ʎ \wt=ʍ \h^=ɦ \c,=ç \?g=ʔ \gs=ɡ \tS=ʧ \:f=ː "
        r"\.f=ˑ \'1=ˈ \'2=ˌ \hr=˞ \|v=| ",
    )
)
_TRIGRAPH = re.compile("|".join(map(re.escape, _TRIGRAPHS)))
_IPA_TAILS = "ɹrlɫəɚ"

_ESPEAK = _parse_table(
    "p=p b=b t=t t#=t t2=t d=d d#=d d2=d k=k g=g tS=ch dZ=jh f=f v=v T=th D=dh s=s z=z z#=z z/2=z S=sh Z=zh h=hh "
    "m=m m-=m n=n n-=n N=ng l=l l/=l l/2=l l/3=l l#=l r=r r-=r r/=r w=w w#=w j=y x=k ?=t ;= "
    "i:=iy i=iy I=ih I2=ih I#=ih I2#=ih E=eh E2=eh E#=eh e#=eh a=ae a2=ae aa=ae a#=ah a#2=ah A:=aa A#=aa "
    "0=aa 02=ah 0#=ah O:=ao O=ao O2=ao U=uh @5=uh u:=uw u=uw V=ah @=ah @2=ah @#=ah @-=ah 3:=er "
    "eI=ey e:=ey aI=ay OI=oy oU=ow oU#=ow o:=ow aU=aw @L=ah+l A~=aa O~=ao i@=iy+ah aI@=ay+ah IR=ih VR=ah"
)
_ESPEAK_RHOTIC = _ESPEAK | _parse_table("3=er A@=aa+r O@=ao+r o@=ao+r e@=eh+r i@3=ih+r U@=uh+r aI3=ay+er aU@=aw+er")
_ESPEAK_NONRHOTIC = _ESPEAK | _parse_table(
    "3=ah A@=aa O@=ao o@=ao e@=eh i@=ih+ah i@3=ih+ah U@=uh+ah aI3=ay+ah aU@=aw+ah"
)

SOURCES: tuple[str, ...] = ("arpabet", "timit", "buckeye", "ipa", "espeak", "espeak-gb")
"""Names of the phone sets that can be folded."""


_LETTERS = {"arpabet": _ARPABET, "timit": _TIMIT, "buckeye": _BUCKEYE}
_BURSTS = {
    closure: frozenset(bursts.split())
    for closures, bursts in {("tcl", "dcl"): "t d ch jh", ("pcl", "bcl"): "p b", ("kcl", "gcl"): "k g"}.items()
    for closure in closures
}
"""The bursts that a closure of TIMIT may end in, whether voiced or not; closures of ch and jh are tcl, dcl."""


@lru_cache(maxsize=4096)
def split_label(label: str, source: str | None = None) -> tuple[str, ...] | None:
    """Return the phones that a label stands for, in order; None where it is unknown.

    Nearly always one; several for r-coloured vowels and syllabic l; none, `()`, for a mark that prolongs the phone
    before (espeak-ng's `;`).

    Args:
        label: As written.
        source: The phone set, of `SOURCES`; by default `timit`, `buckeye`, `ipa` are tried in this order.

    Raises:
        ValueError: The source is unknown.
    """
    if source is None:
        return split_label(label, "buckeye") or split_label(label, "ipa")
    if source in ("espeak", "espeak-gb"):
        return (_ESPEAK_RHOTIC if source == "espeak" else _ESPEAK_NONRHOTIC).get(label)
    plain = label.strip().lower()
    if source in _LETTERS:
        table = _LETTERS[source]
        return table.get(plain) or table.get(_STRESSED.sub(r"\1", plain))
    if source == "ipa":
        return _PAUSES.get(plain) or _split_ipa(label)
    raise ValueError(f"no phone set {source!r}; there are: {' '.join(SOURCES)}")


def is_closure_of(closure: str, burst: str, source: str | None = None) -> bool:
    """Return whether two adjacent labels are the closure and the burst of one phone, that of the burst."""
    if source not in (None, "timit", "buckeye"):
        return False
    return burst.strip().lower() in _BURSTS.get(closure.strip().lower(), ())


def fold(label: str, source: str | None = None) -> str | None:
    """Return the one phone that a label stands for; None where it is unknown or not just one.

    `fold("AH0")`, `fold("ix", "timit")` and `fold("ə", "ipa")` are "ah", "ih" and "ah". See `split_label`.
    """
    phones = split_label(label, source)
    return phones[0] if phones and len(phones) == 1 else None


def _split_ipa(label: str) -> tuple[str, ...] | None:
    """Return the phones of a symbol of the table, or of a vowel followed by r, l or schwa; marks do not matter."""
    spelled = _TRIGRAPH.sub(lambda match: _TRIGRAPHS[match[0]], label.strip()).lower()
    spelled = spelled.replace("ə˞", "ɚ").replace("ɜ˞", "ɝ")
    plain = "".join(
        symbol
        for symbol in unicodedata.normalize("NFD", spelled.translate(_IPA_MARKS))
        if symbol == _CEDILLA or not unicodedata.combining(symbol)
    )
    if plain in _IPA:
        return _IPA[plain]
    vowel, tail = _IPA.get(plain[:-1]), _IPA.get(plain[-1:])
    return vowel + tail if vowel and tail and vowel[0][0] in "aeiou" and plain[-1] in _IPA_TAILS else None
