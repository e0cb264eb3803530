"""Who sends a request, and how keys are made and closed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragline.adapters.memory.keys import MemoryKeys, MemoryPlans
from ragline.adapters.recent import MOST, SECONDS, Recent, RecentKeys
from ragline.domain.access import Credentials, KeyRecord, Plan, Principal, Rates, Role
from ragline.domain.errors import Forbidden, InvalidRequest, NotFound, RaglineError, Unauthorised
from ragline.ports import Tokens
from ragline.usecases import keys as usecase
from ragline.usecases.authorise import MAX_KEY, authorise

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
OWNER = "the-stack-s-own-key-of-43-characters-or-so"


@dataclass
class FakeTokens:
    """``ports.Tokens``: knows one token."""

    known: dict[str, Principal] = field(default_factory=dict)

    def principal(self, token: str) -> Principal:
        if token not in self.known:
            raise Unauthorised("no such token")
        return self.known[token]


@dataclass
class Door:
    keys: MemoryKeys = field(default_factory=MemoryKeys)
    tokens: Tokens | None = None
    now: datetime = NOW
    owner_asked: int = 0

    def owner(self) -> str:
        self.owner_asked += 1
        return OWNER

    def __call__(self, key: str = "", token: str = "") -> Principal:
        return authorise(
            Credentials(key, token),
            keys=self.keys,
            owner=self.owner,
            tokens=lambda: self.tokens,
            now=self.now,
        )

    def make(self, role: Role = Role.WRITER, days: int | None = None) -> usecase.NewKey:
        return usecase.create("acme", role, "a test", keys=self.keys, now=self.now, days=days)


def test_a_key_opens_its_tenant_with_its_role() -> None:
    door = Door()
    made = door.make(Role.READER)
    assert door(made.key) == Principal("acme", Role.READER, f"key:{made.record.key_id}")
    assert door.owner_asked == 0


def test_the_stack_s_own_key_is_admin_of_the_default_tenant() -> None:
    assert Door()(OWNER) == Principal("default", Role.ADMIN, "key:owner")


@pytest.mark.parametrize("key", ["", "wrong", OWNER[:-1], OWNER + "x", "x" * (MAX_KEY + 1)])
def test_whatever_else_opens_nothing(key: str) -> None:
    door = Door()
    door.make()
    with pytest.raises(Unauthorised) as refused:
        door(key)
    assert not key or key not in str(refused.value)


def test_where_the_stack_has_no_key_none_is_its() -> None:
    with pytest.raises(Unauthorised):
        authorise(
            Credentials(OWNER), keys=MemoryKeys(), owner=lambda: "", tokens=lambda: None, now=NOW
        )


def test_a_revoked_key_opens_nothing() -> None:
    door = Door()
    made = door.make()
    usecase.revoke("acme", made.record.key_id, keys=door.keys, now=NOW)
    with pytest.raises(Unauthorised, match="revoked"):
        door(made.key)


def test_a_key_is_over_when_its_days_are() -> None:
    door = Door()
    made = door.make(days=2)
    door.now = NOW + timedelta(days=2, milliseconds=-1)
    assert door(made.key)
    door.now = NOW + timedelta(days=2)
    with pytest.raises(Unauthorised, match="expired"):
        door(made.key)


def test_a_token_counts_before_a_key_and_a_right_key_mends_no_wrong_token() -> None:
    known = Principal("umbrella", Role.ADMIN, "user:1")
    door = Door(tokens=FakeTokens({"good": known}))
    made = door.make()
    assert door(made.key, "good") == known
    with pytest.raises(Unauthorised):
        door(made.key, "bad")


def test_without_an_issuer_no_token_is_taken() -> None:
    with pytest.raises(Unauthorised, match="JWT_ISSUER"):
        Door()(token="good")


def test_credentials_do_not_show_themselves() -> None:
    assert "secret" not in repr(Credentials("secret", "secret"))
    made = Door().make()
    assert made.key not in repr(made)


@given(st.sampled_from(list(Role)), st.sampled_from(list(Role)))
def test_a_role_may_what_those_below_it_may(role: Role, needed: Role) -> None:
    below = {"reader": 0, "writer": 1, "admin": 2}
    assert role.allows(needed) == (below[role.value] >= below[needed.value])


def test_keys_are_long_random_and_told_apart_by_their_ends() -> None:
    door = Door()
    made = [door.make() for _ in range(20)]
    assert len({one.key for one in made}) == 20
    for one in made:
        assert one.key.startswith("rag_")
        assert len(one.key) == 47
        assert one.record.hint == one.key[-4:]
        assert one.record.digest == usecase.digest_of(one.key)


@pytest.mark.parametrize(
    ("tenant", "name", "days", "says"),
    [
        ("ACME", "x", None, "tenant"),
        ("a/b", "x", None, "tenant"),
        ("acme", "", None, "name"),
        ("acme", "  ", None, "name"),
        ("acme", "x" * 81, None, "name"),
        ("acme", "two\nlines", None, "name"),
        ("acme", "x", 0, "expires_in_days"),
        ("acme", "x", 3_651, "expires_in_days"),
    ],
)
def test_what_cannot_be_a_key_is_refused_by_the_field(
    tenant: str, name: str, days: int | None, says: str
) -> None:
    keys = MemoryKeys()
    with pytest.raises(InvalidRequest, match=says):
        usecase.create(tenant, Role.READER, name, keys=keys, now=NOW, days=days)
    assert list(keys.of(tenant)) == []


def test_a_tenant_has_a_hundred_keys_at_most_that_open_something() -> None:
    door = Door()
    made = [door.make() for _ in range(usecase.MAX_KEYS)]
    with pytest.raises(InvalidRequest, match="100 keys"):
        door.make()
    usecase.revoke("acme", made[0].record.key_id, keys=door.keys, now=NOW)
    assert door.make()


def test_of_keys_that_are_over_the_oldest_are_forgotten_and_open_nothing() -> None:
    """Or a job that makes itself a key and revokes it would fill the list, and every listing."""
    door = Door()
    stays, first = door.make(), door.make()
    usecase.revoke("acme", first.record.key_id, keys=door.keys, now=NOW)
    for hours in range(1, usecase.MAX_ENDED + 2):
        later = NOW + timedelta(hours=hours)
        made = usecase.create("acme", Role.READER, "a job", keys=door.keys, now=later)
        usecase.revoke("acme", made.record.key_id, keys=door.keys, now=later)
    listed = [one.digest for one in usecase.listed("acme", keys=door.keys)]
    assert len(listed) <= usecase.MAX_ENDED + 2
    assert made.record.digest in listed
    assert first.record.digest not in listed
    with pytest.raises(Unauthorised):
        door(first.key)
    assert door(stays.key)


def test_only_the_tenant_s_own_keys_are_revoked() -> None:
    door = Door()
    made = door.make()
    with pytest.raises(NotFound):
        usecase.revoke("rival", made.record.key_id, keys=door.keys, now=NOW)
    with pytest.raises(NotFound):
        usecase.revoke("acme", "0" * 16, keys=door.keys, now=NOW)
    assert door(made.key)


def test_limits_are_set_one_by_one() -> None:
    keys, plans = MemoryKeys(), MemoryPlans()
    usecase.limit("acme", Rates(5, 10), keys=keys, plans=plans)
    usecase.limit("acme", Rates(quota_per_day=100), keys=keys, plans=plans)
    plan = keys.plan("acme")
    assert plan
    assert plan.rates == Rates(5, 10, 100)
    assert list(plans.plans.values()) == [plan]


@pytest.mark.parametrize(
    "rates",
    [Rates(rate=5), Rates(burst=5), Rates(0, 5), Rates(5, 0), Rates(10_001, 5),
     Rates(5, 5_001), Rates(quota_per_day=0)],
)  # fmt: skip
def test_limits_that_cannot_be_are_refused(rates: Rates) -> None:
    keys = MemoryKeys()
    with pytest.raises(RaglineError):
        usecase.limit("acme", rates, keys=keys, plans=MemoryPlans())
    assert keys.plan("acme") is None


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_revoked_key_goes_on_for_fifteen_seconds_at_most() -> None:
    clock, keys = Clock(), MemoryKeys()
    made = usecase.create("acme", Role.READER, "x", keys=keys, now=NOW)
    recent = RecentKeys(keys, clock)
    assert recent.find(made.record.digest) == made.record
    keys.revoke(made.record.digest, "2026-11-21T12:00:00.000Z")
    clock.now = SECONDS - 0.1
    assert recent.find(made.record.digest) == made.record
    clock.now = SECONDS
    found = recent.find(made.record.digest)
    assert found
    assert found.revoked_at
    assert SECONDS == 15


def test_a_new_key_works_at_once_and_a_plan_is_noticed_soon() -> None:
    clock, keys = Clock(), MemoryKeys()
    recent = RecentKeys(keys, clock)
    record = KeyRecord("d", "acme", Role.READER, "x", "wxyz", "2026-01-01T00:00:00.000Z")
    assert recent.find("d") is None
    assert recent.plan("acme") is None
    keys.add(record)
    keys.keep_plan(Plan("acme", "p", "m"))
    assert recent.find("d") == record
    assert recent.plan("acme") is None
    clock.now = SECONDS
    assert recent.plan("acme") == Plan("acme", "p", "m")


def test_what_is_kept_is_bounded() -> None:
    asked: list[int] = []

    def read(number: int) -> int:
        asked.append(number)
        return number

    recent = Recent(read)
    for number in range(MOST + 1):
        recent(number)
    assert len(recent._kept) == MOST
    recent(MOST)
    recent(0)
    assert asked[-2:] == [MOST, 0]


def test_a_forbidden_bearer_stays_one() -> None:
    class Strict:
        def principal(self, token: str) -> Principal:
            raise Forbidden("no role")

    with pytest.raises(Forbidden):
        Door(tokens=Strict())(token="x")
