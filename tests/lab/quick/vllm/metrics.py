"""The engine's numbers under vLLM's names, as Prometheus reads them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

# vLLM counts no requests for these.
_NOT_COUNTED = ("/metrics", "/health", "/ping", "/version")


@dataclass
class Counted:
    """What the server counts by itself; everything else comes from the core."""

    model: str
    http: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    success: Counter[str] = field(default_factory=Counter)
    rejected: int = 0
    prompt_tokens: int = 0
    generated_tokens: int = 0
    first_tokens: int = 0
    first_token_s: float = 0.0

    def answered(self, method: str, path: str, status: int) -> None:
        """One request was answered."""
        if path not in _NOT_COUNTED:
            self.http[path, method, f"{status // 100}xx"] += 1

    def text(self, core: dict[str, Any]) -> str:
        """The page, with what the *core* said last."""
        label = f'engine="0",model_name="{self.model}"'
        rows: list[tuple[str, str, float]] = [
            ("vllm:num_requests_running", label, core["running"]),
            ("vllm:num_requests_waiting", label, core["waiting"]),
            ("vllm:kv_cache_usage_perc", label, core["kv"]),
            ("vllm:iteration_tokens_total_count", label, core["steps"]),
            ("vllm:num_preemptions_total", label, 0),
            ("vllm:prompt_tokens_total", label, self.prompt_tokens),
            ("vllm:generation_tokens_total", label, self.generated_tokens),
            ("vllm:time_to_first_token_seconds_count", label, self.first_tokens),
            ("vllm:time_to_first_token_seconds_sum", label, self.first_token_s),
            (
                "vllm:admission_rejections_total",
                f'{label},reason="max_num_queued_reqs"',
                self.rejected,
            ),
        ]
        rows += [
            (
                "vllm:request_success_total",
                f'{label},finished_reason="{reason}"',
                self.success[reason],
            )
            for reason in ("stop", "length", "abort", "error")
        ]
        rows += [
            (
                "http_requests_total",
                f'handler="{path}",method="{method}",status="{status}"',
                count,
            )
            for (path, method, status), count in sorted(self.http.items())
        ]
        return "".join(f"{name}{{{labels}}} {float(value)}\n" for name, labels, value in rows)
