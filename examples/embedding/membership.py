"""The platform's own workflow: a membership, which begins with a couple's programme."""

from datetime import timedelta

from temporalio import workflow


@workflow.defn
class Membership:
    """Lives in the same worker as programmes, and knows no more of them than an id."""

    @workflow.run
    async def run(self, couple: str) -> str:
        """Begins the couple's programme, by an activity of the platform's, and answers with its id."""
        programme: str = await workflow.execute_activity(
            "begin_programme", couple, result_type=str, start_to_close_timeout=timedelta(seconds=30)
        )
        return programme
