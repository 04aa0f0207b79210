"""What CloudFormation makes of a template: conditions decided, functions and references replaced by values."""

import re
from collections.abc import Mapping
from typing import Any

Json = Any
NO_VALUE = object()


def resources(template: Mapping[str, Json], given: Mapping[str, str]) -> dict[str, Json]:
    """The resources whose condition holds. A reference to one becomes its name in angle brackets, an attribute of one
    `<Name.Attribute>`; `given` are parameters, pseudo parameters, and what to take for a reference to a resource."""
    evaluation = _Evaluation(template, given)
    return {
        name: evaluation.value(resource)
        for name, resource in template["Resources"].items()
        if evaluation.holds(resource.get("Condition"))
    }


def outputs(template: Mapping[str, Json], given: Mapping[str, str]) -> dict[str, str]:
    """The values of the outputs."""
    evaluation = _Evaluation(template, given)
    return {name: str(evaluation.value(output["Value"])) for name, output in template["Outputs"].items()}


def broken_rules(template: Mapping[str, Json], given: Mapping[str, str]) -> list[str]:
    """The names of the rules of which an assertion does not hold: CloudFormation refuses such parameters."""
    evaluation = _Evaluation(template, given)
    return [
        name
        for name, rule in template["Rules"].items()
        if evaluation.value(rule["RuleCondition"])
        and not all(evaluation.value(each["Assert"]) for each in rule["Assertions"])
    ]


class _Evaluation:
    def __init__(self, template: Mapping[str, Json], given: Mapping[str, str]) -> None:
        self._conditions = template.get("Conditions", {})
        self._resources = template["Resources"]
        self._values: dict[str, Json] = {}
        for name, parameter in template["Parameters"].items():
            text = str(given.get(name, parameter.get("Default")))
            self._values[name] = text.split(",") if parameter["Type"] == "CommaDelimitedList" else text
        known = {
            name: value
            for name, value in given.items()
            if name.startswith("AWS::") or name.partition(".")[0] in self._resources
        }
        self._values |= known
        self._values["AWS::NoValue"] = NO_VALUE

    def holds(self, condition: str | None) -> bool:
        return condition is None or bool(self.value(self._conditions[condition]))

    def value(self, node: Json) -> Json:
        if isinstance(node, list):
            return [found for found in map(self.value, node) if found is not NO_VALUE]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            name, argument = next(iter(node.items()))
            if name in ("Ref", "Condition") or name.startswith("Fn::"):
                return self._call(name, argument)
        found = {key: self.value(each) for key, each in node.items()}
        return {key: each for key, each in found.items() if each is not NO_VALUE}

    def _call(self, name: str, argument: Json) -> Json:
        match name:
            case "Ref":
                return self._values[argument] if argument in self._values else self._of_resource(argument)
            case "Fn::GetAtt":
                parts = argument.split(".", 1) if isinstance(argument, str) else argument
                return self._of_resource(*parts)
            case "Fn::Sub":
                return self._substituted(argument)
            case "Fn::Base64":
                return self.value(argument)  # read by people here
            case "Fn::If":
                return self.value(argument[1] if self.holds(argument[0]) else argument[2])
            case "Fn::Equals":
                left, right = self.value(argument)
                return left == right
            case "Fn::Contains":
                values, text = self.value(argument)
                return text in values
            case "Fn::Not":
                return not self.value(argument[0])
            case "Fn::And":
                return all(self.value(each) for each in argument)
            case "Condition":
                return self.holds(argument)
            case "Fn::Join":
                return argument[0].join(self.value(argument[1]))
            case "Fn::Split":
                return str(self.value(argument[1])).split(argument[0])
        raise AssertionError(f"{name} is no function that the template was known to use")

    def _of_resource(self, name: str, attribute: str = "") -> str:
        resource = self._resources[name]
        assert self.holds(resource.get("Condition")), f"a reference to {name}, which is not made"
        if attribute and f"{name}.{attribute}" in self._values:
            return str(self._values[f"{name}.{attribute}"])
        if resource["Type"] == "AWS::S3::Bucket":
            bucket = self._values.get(name) or self.value(resource["Properties"]["BucketName"])
            return f"arn:{self._values['AWS::Partition']}:s3:::{bucket}" if attribute == "Arn" else str(bucket)
        return f"<{name}.{attribute}>" if attribute else f"<{name}>"

    def _substituted(self, argument: Json) -> str:
        text, local = (argument, {}) if isinstance(argument, str) else argument

        def replacement(match: re.Match[str]) -> str:
            name = match[1]
            if name in local:
                return str(self.value(local[name]))
            return str(self._call("Fn::GetAtt" if "." in name else "Ref", name))

        return re.sub(r"\$\{([^}]+)\}", replacement, text)
