"""What the partner itself has: media properties, inquiries about actions, and tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_impact.api.scopes import Scope
from tap_impact.records.fields import (
    Omitted,
    RecordMap,
    decimal,
    flag,
    key,
    money,
    text,
    text_list,
    timestamp,
    value_of,
    verbatim,
)
from tap_impact.records.nested import nested, nested_list
from tap_impact.sources.dated import Feed
from tap_impact.sources.lists import ListSource
from tap_impact.sources.updated import OpenRowsSource, UpdatedSource, UpdateQuery
from tap_impact.streams.stream import Stream

if TYPE_CHECKING:
    from tap_impact.records.fields import Row

# The names of scopes in this file are inferred: impact.com documents none of them.

# The partner's sites, apps and accounts in social media.
# https://integrations.impact.com/impact-publisher/reference/list-media-properties
MEDIA_PROPERTIES = Stream(
    name="media_properties",
    source=ListSource(
        "/MediaProperties",
        "MediaProperties",
        Scope("Media Properties", "Retrieve media properties", required=False),
    ),
    keys=("id",),
    record_map=RecordMap(
        key("Id", "Identifies the property."),
        verbatim("Name", "Name of the property."),
        text("Thumbnail", "Path of its image in the API."),
        verbatim("Description", "The partner's words about it."),
        verbatim("Tags", "Its tags, between commas."),
        text_list("RevenueModel", "How it earns, like PAY_PER_SALE."),
        text("Url", "Where it is."),
        text("Type", "WEBSITE, MOBILE or SOCIAL."),
        decimal("MonthlyUniqueVisitors", "Visitors a month, for sites."),
        decimal("AlexaRating", "Rank by Alexa, for sites."),
        text("QuantcastRating", "Rating by Quantcast, for sites."),
        flag("OwnershipVerified", "Whether impact.com knows that it is the partner's."),
        text("MobilePlatform", "IOS or ANDROID, for apps."),
        decimal("AppStoreRating", "Rating in the store, of 5, for apps."),
        text("Installs", "About how many installed it, like THOUSAND_PLUS, for apps."),
        verbatim("Price", "Price in the store, for apps."),
        text("SocialPlatform", "Platform, like INSTAGRAM, for social media."),
        text("Followers", "About how many follow it, like THOUSAND_PLUS, for social media."),
        verbatim("Handle", "Name on the platform, for social media."),
        text("Uri", "Path of the property in the API."),
    ),
)


def is_unresolved(inquiry: Row) -> bool:
    """Whether an inquiry is not decided upon yet."""
    status = str(value_of(inquiry, "ResolutionStatus")).strip().upper()
    return status not in {"VALID", "DECLINED"}


# Claims that an action is missing or wrong; for partners of cashback and loyalty.
# https://integrations.impact.com/impact-publisher/reference/list-action-inquiries
ACTION_INQUIRIES = Stream(
    name="action_inquiries",
    source=OpenRowsSource(
        path="/ActionInquiries",
        data_key="ActionInquiries",
        scope=Scope("Action Inquiries", "Retrieve action inquiries", required=False),
        replication_key="creation_date",
        date_field="CreationDate",
        created=Feed("StartDate", "EndDate"),
        is_open=is_unresolved,
    ),
    keys=("id",),
    replication_key="creation_date",
    selected=False,
    record_map=RecordMap(
        key("Id", "Identifies the inquiry."),
        verbatim("MediaPartnerInquiryId", "The partner's own id of it."),
        text("CampaignId", "Campaign (program) of the brand."),
        verbatim("CampaignName", "Name of the campaign."),
        verbatim("OrderId", "Order that it is about: order_id of actions."),
        timestamp("TransactionDate", "When the order was made."),
        money("TransactionAmount", "Amount of the order."),
        verbatim("CustomerId", "Customer who made the order, by the partner's own id."),
        timestamp("InquiryDate", "When it was submitted first."),
        text("InquiryType", "UNTRACKED, INCORRECT or DECLINED."),
        money("ExpectedPayout", "Commission that the partner expects."),
        timestamp("ResolutionDeadlineDate", "Until when it has to be decided upon."),
        Omitted("Comments", "What people write to each other, their names with it."),
        Omitted("InquiryNotes", "What people write about customers."),
        text("TrackingLink", "Tracking link of the order."),
        text("ActionId", "Action that was found: id of actions."),
        text("ActionUri", "Path of the action in the API."),
        timestamp("AutoApprovalDate", "When it counts as approved if nobody decides."),
        text("ResolutionStatus", "UNRESOLVED, VALID, DECLINED or INCOMPLETE."),
        verbatim("RejectReason", "Why it was declined."),
        money("FinalPayout", "Commission that was paid for it."),
        timestamp("ResolutionDate", "When it was decided upon."),
        timestamp("CreationDate", "When it was made."),
        text("Uri", "Path of the inquiry in the API."),
    ),
)

# What brands ask of the partner, like new terms on a page.
# https://integrations.impact.com/impact-publisher/reference/list-tasks
TASKS = Stream(
    name="tasks",
    source=UpdatedSource(
        path="/Tasks",
        data_key="Tasks",
        scope=Scope("Tasks", "Retrieve tasks", required=False),
        replication_key="date_last_updated",
        queries=(UpdateQuery(Feed("DateLastUpdatedAfter", "DateLastUpdatedBefore"), {}),),
    ),
    keys=("id",),
    replication_key="date_last_updated",
    selected=False,
    record_map=RecordMap(
        key("Id", "Identifies the task."),
        nested(
            "Reference",
            "The partner that it is about.",
            text("PartnerId", "Partner account."),
            verbatim("PartnerValue1", "First value that the brand gave the partner."),
            verbatim("PartnerValue2", "Second value that the brand gave the partner."),
            verbatim("PartnerValue3", "Third value that the brand gave the partner."),
        ),
        nested(
            "Details",
            "What is to be done.",
            verbatim("Summary", "The task in a few words."),
            verbatim("Description", "The task in full."),
            flag("Urgent", "Whether it is urgent."),
            text("State", "State of the task, like NEW, INPROGRESS or COMPLETED."),
            text("Type", "Kind of the task, like COMPLIANCE."),
            text("SubtypeId", "Subtype of the task."),
            verbatim("SubtypeName", "Name of the subtype."),
            text("ResolutionId", "How it was resolved."),
            verbatim("ResolutionName", "Name of how it was resolved."),
        ),
        nested_list(
            "Attachments",
            "Files that come with it.",
            text("Id", "Identifies the file."),
            verbatim("Filename", "Name of the file."),
            text("Location", "Where the file is."),
        ),
        timestamp("DueDate", "When it is due."),
        Omitted("AssigneeUser", "The name and e-mail address of a person."),
        verbatim("AssigneeAccount", "Name of the partner account that it is for."),
        decimal("TotalActions", "How often something was done about it."),
        Omitted("Actions", "What was done and by whom; its form is not documented."),
        decimal("TotalComments", "How many comments it has."),
        Omitted("Comments", "What people write to each other, their names with it."),
        timestamp("DateCreated", "When it was made."),
        timestamp("DateLastUpdated", "When it was changed last."),
        Omitted("CreatedBy", "The name and e-mail address of a person."),
        Omitted("LastUpdatedBy", "The name and e-mail address of a person."),
    ),
)
