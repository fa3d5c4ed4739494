"""Accounts at real venues' fakes, as a trader saves them."""

from scripts.testbed.trader import Trader
from sparky.keys.sealing import SealingContext, seal
from tests.integration.worker.world import World
from tests.venues.harness import Harness


async def save_keys(world: World, trader: Trader, venue: Harness) -> str:
    """Seal the keys of a venue's trader and save them; return the id of the account."""
    access = venue.access
    context = SealingContext(trader.user_id, venue.name, access.environment)
    fields = {name: secret.reveal() for name, secret in access.credentials.items()}
    saved = await trader.client.rpc(
        "save_api_key",
        {
            "p_exchange": venue.name,
            "p_environment": access.environment,
            "p_label": venue.name,
            "p_sealed": seal(world.public_key, context, fields),
            "p_account_id": access.account_number,
        },
    ).execute()
    return str(saved.data)
