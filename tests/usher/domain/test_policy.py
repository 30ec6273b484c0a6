"""What a policy gives to whom, with the line that says so; and what it refuses to give."""

import pytest
from pydantic import ValidationError
from ruamel.yaml import YAML

from usher.domain.located import problems_of
from usher.domain.policy import evaluate, explain
from usher.domain.policyfiles import PolicyFile, Rules, gather

TEXT = """\
roles:
  - name: everyone
    when: {any: true}
    give:
      - app: okta
        account: {user_name: $email, given_name: $given_name}
        groups: [all-staff, site-$site]
  - name: account executive
    when:
      title: [Account Executive, AE]
      department: Sales
    give:
      - app: clari
        account: {user_name: $email}
        role: Rep
        modules: [Core]
        node: $region
      - app: okta
        groups: [sales]
  - name: finance payer
    when: {team: payables}
    give:
      - app: erp
        groups: [pay]
  - name: finance approver
    when: {department: [finance, SALES]}
    give:
      - app: erp
        groups: [approve]
separation:
  - name: pay and approve
    never_together: [erp/group:pay, erp/group:approve]
"""
SELLER = {
    "email": "ada@acme.example",
    "given_name": "Ada",
    "site": "Paris",
    "title": "account  EXECUTIVE",
    "department": "Sales",
    "region": "EMEA",
}


def policies(text=TEXT):
    tree = YAML().load(text)
    return gather([("policies/roles.yaml", PolicyFile.model_validate(tree), tree)])


def mistakes(text):
    tree = YAML().load(text)
    with pytest.raises(ValidationError) as caught:
        PolicyFile.model_validate(tree)
    return [str(p) for p in problems_of("policies/roles.yaml", caught.value, tree, PolicyFile)]


def test_a_seller_gets_the_birthright_and_the_role_with_the_lines_that_say_so():
    given = evaluate(policies(), SELLER)
    assert given.connections() == {"okta", "clari", "erp"}
    assert given.entitlements("clari") == {"role:Rep", "module:Core", "node:EMEA"}
    assert given.entitlements("okta") == {"group:all-staff", "group:site-Paris", "group:sales"}
    assert given.account("okta") == {"user_name": "ada@acme.example", "given_name": "Ada"}
    rep = next(a for a in given.made if a.entitlement == "role:Rep")
    assert (rep.cite, rep.birthright) == ("policies/roles.yaml:13 role 'account executive'", False)
    staff = next(a for a in given.made if a.entitlement == "group:all-staff")
    assert (staff.cite, staff.birthright) == ("policies/roles.yaml:5 role 'everyone'", True)


def test_someone_who_is_not_active_gets_nothing_and_the_explanation_says_why():
    assert evaluate(policies(), SELLER, active=False).made == ()
    assert {e.why for e in explain(policies(), SELLER, active=False)} == {"the person is not active"}


def test_one_condition_that_fails_is_enough_and_each_rule_is_explained():
    answers = {e.role: e for e in explain(policies(), SELLER | {"department": "Support"})}
    assert answers["everyone"].why == "it is for every active person"
    assert not answers["account executive"].matched
    assert answers["account executive"].why == "department is 'Support', expected 'Sales'"
    assert answers["account executive"].cite == "policies/roles.yaml:8 role 'account executive'"
    assert answers["finance payer"].why == "the person has no team, expected 'payables'"
    matched = {e.role: e for e in explain(policies(), SELLER)}["account executive"]
    assert matched.why == "title is 'account  EXECUTIVE' and department is 'Sales'"


def test_a_value_the_sources_do_not_give_is_a_gap_and_never_an_empty_text():
    given = evaluate(policies(), {k: v for k, v in SELLER.items() if k not in ("region", "given_name")})
    assert given.entitlements("clari") == {"role:Rep", "module:Core"}
    assert given.account("okta") == {"user_name": "ada@acme.example"}
    assert [str(gap) for gap in given.gaps] == [
        "policies/roles.yaml:5 role 'everyone' needs the attribute 'given_name' for account:given_name",
        "policies/roles.yaml:13 role 'account executive' needs the attribute 'region' for node",
    ]


def test_two_entitlements_that_may_not_be_held_together_are_both_refused():
    given = evaluate(policies(), SELLER | {"team": "payables"})
    assert given.entitlements("erp") == frozenset()
    assert given.undecided("erp") == {"group:pay", "group:approve"}
    assert {r.reason for r in given.refused} == {"erp/group:pay and erp/group:approve may not be held together"}
    assert given.refused[0].cite.startswith("policies/roles.yaml:31 separation 'pay and approve'; ")
    assert "group:all-staff" in given.entitlements("okta")


def test_a_role_wins_over_a_birthright_but_two_roles_for_one_place_are_refused():
    text = """\
roles:
  - {name: all, when: {any: true}, give: [{app: clari, role: Viewer}]}
  - {name: seller, when: {department: sales}, give: [{app: clari, role: Rep}]}
  - {name: lead, when: {title: lead}, give: [{app: clari, role: Manager}]}
"""
    assert evaluate(policies(text), {}).entitlements("clari") == {"role:Viewer"}
    assert evaluate(policies(text), {"department": "Sales"}).entitlements("clari") == {"role:Rep"}
    both = evaluate(policies(text), {"department": "Sales", "title": "Lead"})
    assert both.entitlements("clari") == frozenset()
    assert both.undecided("clari") == {"role:Rep", "role:Manager"}
    assert both.refused[0].reason == "clari takes one role, policy gives 'Rep' and 'Manager'"
    assert both.connections() == {"clari"}


@pytest.mark.parametrize("value", ["$email-x", "a $b $c", "${email}", "$Email", "' '"])
def test_expressions_are_refused_with_their_line(value):
    text = f"roles:\n  - name: r\n    when: {{any: true}}\n    give:\n      - app: clari\n        role: {value}\n"
    (found,) = mistakes(text)
    assert found.startswith(
        "policies/roles.yaml:6: roles[0].give[0].role: expected text, or text that ends in one $attribute, got "
    )


@pytest.mark.parametrize("when", ["{}", "{any: false}", "{any: true, title: AE}"])
def test_a_role_for_nobody_or_for_two_kinds_of_people_is_refused(when):
    (found,) = mistakes(f"roles:\n  - name: r\n    when: {when}\n    give: [{{app: clari}}]\n")
    assert found.startswith("policies/roles.yaml:3: roles[0].when: expected either any: true or at least one attribute")


def test_a_number_as_a_condition_is_refused_with_the_way_out():
    (found,) = mistakes("roles:\n  - name: r\n    when: {cost_centre: 100}\n    give: [{app: clari}]\n")
    assert "roles[0].when: expected text or a list of texts for 'cost_centre' (put numbers" in found


def test_two_roles_of_one_name_are_refused():
    text = (
        "roles:\n"
        + "  - {name: AE, when: {any: true}, give: [{app: x}]}\n  - {name: ae, when: {any: true}, give: [{app: x}]}\n"
    )
    assert "expected one role of each name; 'AE' is there twice" in mistakes(text)[0]


def test_one_approver_needs_the_rule_that_says_there_is_one_operator():
    with pytest.raises(ValidationError):
        Rules(quorum_request=1)
    assert Rules(single_operator=True, quorum_request=1).quorum_request == 1
