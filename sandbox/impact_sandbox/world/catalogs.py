"""Product catalogs: one larger than the API's window, one small."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from impact_sandbox.world.account import Account
from impact_sandbox.world.campaigns import CAMPAIGNS, Campaign
from impact_sandbox.world.texts import SKUS

if TYPE_CHECKING:
    from collections.abc import Sequence

SIZES = {CAMPAIGNS[0].id: 20_500, CAMPAIGNS[3].id: 20}


class Catalog(NamedTuple):
    """A catalog of a campaign's products."""

    account: Account
    campaign: Campaign

    @property
    def id(self) -> str:
        """The catalog's id."""
        return f"2{self.campaign.id}"

    @property
    def items(self) -> Sequence[int]:
        """The numbers of its products."""
        return range(SIZES[self.campaign.id])

    def row(self) -> dict[str, Any]:
        """Return the API's Catalog object."""
        account, campaign = self.account, self.campaign
        file = f"/{campaign.name.replace(' ', '-')}/catalog_IR.txt.gz"
        uri = f"{account.path}/Catalogs/{self.id}"
        return {
            "Id": self.id,
            "Name": f"{campaign.name} catalog",
            "Language": "English (United States)",
            "AdvertiserId": str(1_800_000 + int(campaign.id)),
            "AdvertiserName": campaign.advertiser,
            "AdvertiserLocation": "United States",
            "CampaignId": campaign.id,
            "CampaignName": campaign.name,
            "NumberOfItems": str(len(self.items)),
            "DateLastUpdated": account.text(account.began + 5835),
            "Locations": [file],
            "Currency": account.currency,
            "ServiceAreas": "",
            "FTPLocations": [
                f"ftp://ps-ftp_{account.account_sid}:{account.ftp_password}@files.example{file}"
            ],
            "ItemsUri": f"{uri}/Items",
            "Uri": uri,
        }

    def item(self, number: int) -> dict[str, str]:
        """Return the most telling fields of the API's Item object."""
        sku, name, category = SKUS[number % len(SKUS)]
        return {
            "Id": f"product_{self.id}_{sku}-{number}",
            "CatalogId": self.id,
            "CampaignId": self.campaign.id,
            "CampaignName": self.campaign.name,
            "CatalogItemId": f"{sku}-{number}",
            "Name": f"{name} {number}",
            "CurrentPrice": f"{number % 400}.90",
            "Currency": self.account.currency,
            "StockAvailability": "InStock",
            "Category": category,
        }


class Catalogs(Account):
    """The catalogs of an account."""

    def catalogs(self) -> list[Catalog]:
        """Return every catalog."""
        return [Catalog(self, campaign) for campaign in CAMPAIGNS if campaign.id in SIZES]
