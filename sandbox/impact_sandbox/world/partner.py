"""What the partner itself has: properties, inquiries and tasks, and what is nobody's business."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from impact_sandbox.world.account import DAY
from impact_sandbox.world.campaigns import CAMPAIGNS

if TYPE_CHECKING:
    from impact_sandbox.world.account import Account
    from impact_sandbox.world.actions import Actions, SeenAction

TASK_EVERY = 45 * DAY
ASKED_ABOUT = 9
"""One in so many actions."""
PROPERTIES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    (
        "Gear Notes",
        "https://gear-notes.example",
        {
            "Type": "WEBSITE",
            "Tags": "camping,gear",
            "RevenueModel": ["PAY_PER_SALE", "PAY_PER_LEAD"],
            "MonthlyUniqueVisitors": "120,000",
            "AlexaRating": "48211",
        },
    ),
    (
        "Sandbox Publisher's Instagram",
        "https://social.example/sandbox",
        {
            "Type": "SOCIAL",
            "RevenueModel": ["PAY_PER_SALE"],
            "SocialPlatform": "INSTAGRAM",
            "Followers": "HUNDRED_THOUSAND_PLUS",
            "Handle": "@sandbox",
        },
    ),
    (
        "Deals in your pocket",
        "https://apps.example/deals",
        {
            "Type": "MOBILE",
            "MobilePlatform": "IOS",
            "AppStoreRating": "4.5",
            "Installs": "TEN_THOUSAND_PLUS",
            "Price": "Free",
        },
    ),
)
STEPS = ((20 * DAY, "COMPLETED"), (5 * DAY, "INPROGRESS"), (0, "NEW"))


def media_properties(account: Account) -> list[dict[str, Any]]:
    """Return the API's MediaProperty objects."""
    rows = []
    for number, (name, url, own) in enumerate(PROPERTIES, 4_622_771):
        uri = f"{account.path}/MediaProperties/{number}"
        row = {
            "Id": str(number),
            "Name": name,
            "Thumbnail": f"{uri}/Thumbnail",
            "Description": f"{name}: what readers like",
            "Tags": "",
            "RevenueModel": [],
            "Url": url,
            "Type": "",
            "MonthlyUniqueVisitors": "",
            "AlexaRating": "",
            "QuantcastRating": "",
            "OwnershipVerified": "true",
            "MobilePlatform": "",
            "AppStoreRating": "",
            "Installs": "",
            "Price": "",
            "SocialPlatform": "",
            "Followers": "",
            "Handle": "",
            "Uri": uri,
        }
        rows.append(row | own)
    return rows


def inquiries(world: Actions, at: datetime) -> list[dict[str, Any]]:
    """Return the API's ActionInquiry objects, the newest first: about every ninth action."""
    now = int(at.timestamp())
    rows = [
        inquiry(world, action, created, now)
        for action in world.seen(at)
        if action.life.salt % ASKED_ABOUT == 0
        and (created := action.steps[0].shown + 3 * DAY) <= now
    ]
    return sorted(rows, key=lambda row: datetime.fromisoformat(row["CreationDate"]), reverse=True)


def inquiry(world: Account, action: SeenAction, created: int, now: int) -> dict[str, Any]:
    """Return an inquiry about an action: it is decided upon after twenty days."""
    row = action.row()
    resolved = created + 20 * DAY
    is_open = now < resolved
    status = "VALID" if action.life.salt % 2 else "DECLINED"
    inquiry_id = f"15{action.life.id.rpartition('.')[2]}"
    return {
        "Id": inquiry_id,
        "MediaPartnerInquiryId": "",
        "CampaignId": row["CampaignId"],
        "CampaignName": row["CampaignName"],
        "OrderId": row["Oid"],
        "TransactionDate": row["EventDate"],
        "TransactionAmount": row["IntendedAmount"],
        "CustomerId": "",
        "InquiryDate": world.text(created),
        "InquiryType": "INCORRECT",
        "ExpectedPayout": row["IntendedPayout"],
        "ResolutionDeadlineDate": world.text(resolved),
        "Comments": [
            {
                "User": world.person,
                "Comment": f"Please look at it, or write to {world.mail}",
                "Date": world.text(created),
            }
        ],
        "InquiryNotes": f"The customer wrote from {world.mail}",
        "TrackingLink": "",
        "ActionId": action.life.id,
        "ActionUri": row["Uri"],
        "AutoApprovalDate": world.text(resolved + 10 * DAY),
        "ResolutionStatus": "UNRESOLVED" if is_open else status,
        "RejectReason": (
            "This transaction has been tracked successfully"
            if status == "DECLINED" and not is_open
            else ""
        ),
        "FinalPayout": row["IntendedPayout"] if status == "VALID" and not is_open else "",
        "ResolutionDate": "" if is_open else world.text(resolved),
        "CreationDate": world.text(created),
        "Uri": f"{world.path}/ActionInquiries/{inquiry_id}",
    }


def tasks(account: Account, now: int) -> list[dict[str, Any]]:
    """Return the API's Task objects: one every 45 days, done after twenty."""
    made = range(account.began + DAY, now + 1, TASK_EVERY)
    return [task(account, number, each, now) for number, each in enumerate(made)]


def task(account: Account, number: int, made: int, now: int) -> dict[str, Any]:
    """Return one task; its dates are written in UTC, with milliseconds."""
    campaign = CAMPAIGNS[number % len(CAMPAIGNS)]
    updated, state = next((made + later, name) for later, name in STEPS if made + later <= now)
    task_id = str(3_562_500 + number)
    person = {"Username": account.person, "EmailAddress": account.mail}
    brand = {"Username": f"Brand Manager {campaign.id}"}
    brand |= {"EmailAddress": account.mail_of_brand(campaign.id)}
    attachment = {
        "Id": f"task_{task_id}_terms",
        "Filename": "terms.pdf",
        "Location": f"https://cdn.example/task_{task_id}_terms.pdf",
    }
    comment = {
        "Id": str(98_000 + number),
        "Comment": f"Done. Questions to {account.mail}",
        "Commenter": account.person,
        "Attachments": [attachment],
    }
    return {
        "Id": task_id,
        "Reference": {
            "PartnerId": account.account_id,
            "PartnerValue1": "vip",
            "PartnerValue2": "",
            "PartnerValue3": "",
        },
        "Details": {
            "Summary": f"{campaign.name}: new terms",
            "Description": "Show the new terms on every page.",
            "Urgent": "true" if number % 3 == 0 else "false",
            "State": state,
            "Type": "COMPLIANCE",
            "SubtypeId": "275",
            "SubtypeName": "Content",
            "ResolutionId": "",
            "ResolutionName": "",
        },
        "Attachments": [attachment],
        "DueDate": in_utc(made + 30 * DAY),
        "AssigneeUser": person,
        "AssigneeAccount": account.name,
        "TotalActions": "1",
        "Actions": [{"User": person, "Date": in_utc(updated)}],
        "TotalComments": "1" if state == "COMPLETED" else "0",
        "Comments": [comment] if state == "COMPLETED" else [],
        "DateCreated": in_utc(made),
        "DateLastUpdated": in_utc(updated),
        "CreatedBy": brand,
        "LastUpdatedBy": person,
    }


def in_utc(at: int) -> str:
    """Write a timestamp as tasks do."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")


# What a client has no business with: the most telling fields of each.


def company(account: Account) -> dict[str, Any]:
    """Return the API's CompanyInformation object."""
    contact = {"UserId": "2320266", "Name": account.person, "Email": account.mail}
    return {
        "CompanyName": account.name,
        "Currency": account.currency,
        "EinSsnForeignTaxId": account.tax_id,
        "FinancialContact": contact,
        "Uri": f"{account.path}/CompanyInformation",
    }


def users(account: Account) -> list[dict[str, Any]]:
    """Return the API's User objects."""
    return [{"Id": "I-2320266", "FirstName": account.person, "Email": account.mail}]


def tax_documents(account: Account) -> list[dict[str, Any]]:
    """Return the API's TaxDocument objects."""
    return [{"Id": "1", "Type": "W9", "TaxId": account.tax_id, "Name": account.person}]


def withdrawal_settings(account: Account) -> dict[str, Any]:
    """Return the API's WithdrawalSettings object."""
    return {"Method": "BANK_TRANSFER", "BankAccountNumber": account.bank_account}
