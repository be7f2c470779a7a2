"""What people are told where there is a fallback: who answers, for how long, for how much. Pure."""

from __future__ import annotations

from infra.series import Alarm, Series, Subject

# Requests of a minute, from which on a share says something.
ENOUGH = 20
_HOSTED, _ALL = "(FILL(h,0)+FILL(f,0))", "(FILL(p,0)+FILL(h,0)+FILL(f,0))"


def fallback_alarms() -> tuple[Alarm, ...]:
    """Answers, the switch, and the money."""
    return (*_answers(), *_switch(), *_function(), *_spend())


def _answers() -> tuple[Alarm, ...]:
    return (
        Alarm(
            "hosted-share",
            "More than 10 % of the requests go to hosted APIs: the fleet is down or too small.",
            (
                Series(Subject.OWN, "AnswersPrimary", "Sum", "p"),
                Series(Subject.OWN, "AnswersHosted", "Sum", "h"),
                Series(Subject.FALLBACK, "RequestCount", "Sum", "f"),
            ),
            "GreaterThanThreshold",
            10,
            periods=5,
            datapoints=5,
            # What hosts passed on, and what the switch sent there; a share of few says nothing.
            expression=f"IF({_ALL} > {ENOUGH}, 100*{_HOSTED}/{_ALL}, 0)",
        ),
        Alarm(
            "stale-answers",
            "Clients get old answers: neither the fleet nor a hosted API answered them.",
            (Series(Subject.OWN, "StaleAnswers", "Sum"),),
            "GreaterThanThreshold",
            0,
            periods=1,
            datapoints=1,
        ),
        Alarm(
            "both-down",
            "Neither the fleet nor the hosted API gives the switch a token.",
            (
                Series(Subject.OWN, "SwitchTokensGood", "Maximum", "t"),
                Series(Subject.OWN, "HostedTokenGood", "Maximum", "h"),
            ),
            "GreaterThanThreshold",
            0,
            periods=1,
            datapoints=1,
            # Who was not asked in this minute is no witness.
            expression="IF(FILL(t,1) == 0 AND FILL(h,1) == 0, 1, 0)",
        ),
    )


def _switch() -> tuple[Alarm, ...]:
    return (
        Alarm(
            "in-fallback",
            "The fleet has had less than all traffic for half an hour.",
            (Series(Subject.OWN, "PrimaryShare", "Maximum"),),
            "LessThanThreshold",
            100,
            periods=30,
            datapoints=30,
        ),
        Alarm(
            "flapping",
            "The switch took traffic off the fleet twice within an hour.",
            (Series(Subject.OWN, "Trips", "Sum"),),
            "GreaterThanThreshold",
            1,
            periods=1,
            datapoints=1,
            period_s=3600,
        ),
    )


def _function() -> tuple[Alarm, ...]:
    """Of the switch itself: an outage is too late to hear that it can't act."""
    return (
        Alarm(
            "switch-fails",
            "A run of the switch ended with an error: its log's last line says what to mend.",
            (Series(Subject.SWITCH, "Errors", "Sum"),),
            "GreaterThanThreshold",
            0,
            periods=1,
            datapoints=1,
        ),
        Alarm(
            "switch-silent",
            "Nobody has called the switch for three minutes: nothing would move in an outage.",
            (Series(Subject.SWITCH, "Invocations", "Sum"),),
            "LessThanThreshold",
            1,
            periods=3,
            datapoints=3,
            missing="breaching",
        ),
        Alarm(
            "switch-throttled",
            "Lambda turned a call of the switch away: the account's functions are at their limit.",
            (Series(Subject.SWITCH, "Throttles", "Sum"),),
            "GreaterThanThreshold",
            0,
            periods=1,
            datapoints=1,
        ),
    )


def _spend() -> tuple[Alarm, ...]:
    return (
        Alarm(
            "hosted-spend-80",
            "80 % of a cap for hosted APIs is spent or reserved.",
            (Series(Subject.OWN, "HostedCap80", "Sum"),),
            "GreaterThanThreshold",
            0,
            periods=1,
            datapoints=1,
        ),
        Alarm(
            "hosted-spend-100",
            "A cap for hosted APIs is spent: what the fleet does not answer gets 503.",
            (Series(Subject.OWN, "HostedCap100", "Sum"),),
            "GreaterThanThreshold",
            0,
            periods=1,
            datapoints=1,
        ),
    )
