with actions as (
    {{ loaded('actions', {
        'event_day': 'day',
        'connection_label': 'text',
        'campaign_id': 'text',
        'campaign_name': 'text',
        'currency': 'text',
        'state': 'text',
        'payout': 'money',
        'intended_payout': 'money',
        'amount': 'money',
    }) }}
),

daily_clicks as (
    {{ loaded('daily_clicks', {
        'click_day': 'day',
        'connection_label': 'text',
        'campaign_id': 'text',
        'clicks': 'count',
        'unique_clicks': 'count',
    }) }}
),

campaigns as (
    {{ loaded('campaigns', {'campaign_id': 'text', 'campaign_name': 'text'}) }}
),

click_days as (
    select * from {{ ref('impact_click_days') }}
),

-- actions and clicks one below the other, and then added up: a day may have either without the other
facts as (
    select
        event_day as day,
        connection_label,
        coalesce(campaign_id, '') as campaign_id,
        currency,
        case when state = 'REVERSED' then 'reversed' when state = 'APPROVED' then 'approved'
            when state = 'PENDING' then 'pending' else 'other' end as state,
        1 as actions,
        coalesce(payout, 0) as payout,
        coalesce(intended_payout, payout, 0) as intended_payout,
        coalesce(amount, 0) as amount,
        cast(null as bigint) as clicks,
        cast(null as bigint) as unique_clicks
    from actions

    union all

    select
        click_days.day,
        click_days.connection_label,
        daily_clicks.campaign_id,
        click_days.currency,
        'other',
        0,
        0,
        0,
        0,
        daily_clicks.clicks,
        daily_clicks.unique_clicks
    from daily_clicks
    inner join click_days
        on
            daily_clicks.click_day = click_days.day
            and coalesce(daily_clicks.connection_label, '') = coalesce(click_days.connection_label, '')
            and click_days.clicks_source = 'daily_clicks'

    union all

    -- the report does not tell campaigns apart
    select
        day,
        connection_label,
        '(all)',
        currency,
        'other',
        0,
        0,
        0,
        0,
        clicks,
        unique_clicks
    from click_days
    where clicks_source <> 'daily_clicks'
),

sums as (
    select
        day,
        connection_label,
        campaign_id,
        currency,
        sum(clicks) as clicks,
        sum(unique_clicks) as unique_clicks,
        sum(case when state <> 'reversed' then actions else 0 end) as conversions,
        sum(case when state <> 'reversed' then payout else 0 end) as commission,
        sum(case when state <> 'reversed' then amount else 0 end) as sale_amount,
        {%- for state in ['pending', 'approved', 'reversed'] %}
        sum(case when state = '{{ state }}' then actions else 0 end) as conversions_{{ state }},
        sum(case when state = '{{ state }}' then payout else 0 end) as commission_{{ state }},
        {%- endfor %}
        sum(case when state = 'reversed' then intended_payout - payout else 0 end) as commission_lost,
        sum(intended_payout) as commission_tracked
    from facts
    group by day, connection_label, campaign_id, currency
),

-- the campaign's own name, and for a campaign that was left the one that its actions keep
campaign_names as (
    select
        campaign_id,
        coalesce(max(present_name), max(former_name)) as campaign_name
    from (
        select
            campaign_id,
            campaign_name as present_name,
            cast(null as {{ type_of('text') }}) as former_name
        from campaigns

        union all

        select
            campaign_id,
            null,
            campaign_name
        from actions
    ) as names
    group by campaign_id
),

-- clicks are known of a whole day; a campaign without any has 0 of them
measured as (
    select
        sums.*,
        click_days.clicks_source,
        case
            when click_days.clicks_source = 'daily_clicks' or sums.campaign_id = '(all)'
                then coalesce(sums.clicks, 0)
        end as known_clicks,
        case
            when click_days.clicks_source = 'daily_clicks' or sums.campaign_id = '(all)'
                then coalesce(sums.unique_clicks, 0)
        end as known_unique_clicks
    from sums
    left join click_days
        on
            sums.day = click_days.day
            and coalesce(sums.connection_label, '') = coalesce(click_days.connection_label, '')
            and coalesce(sums.currency, '') = coalesce(click_days.currency, '')
)

select
    measured.day,
    measured.connection_label,
    measured.campaign_id,
    case when measured.campaign_id = '(all)' then '(all campaigns)' else campaign_names.campaign_name end
        as campaign_name,
    measured.currency,
    measured.clicks_source,
    cast(measured.known_clicks as bigint) as clicks,
    cast(measured.known_unique_clicks as bigint) as unique_clicks,
    cast(measured.conversions as bigint) as conversions,
    cast(measured.conversions_pending as bigint) as conversions_pending,
    cast(measured.conversions_approved as bigint) as conversions_approved,
    cast(measured.conversions_reversed as bigint) as conversions_reversed,
    {%- for figure in [
        'commission', 'commission_pending', 'commission_approved', 'commission_reversed',
        'commission_lost', 'commission_tracked', 'sale_amount',
    ] %}
    cast(measured.{{ figure }} as {{ type_of('money') }}) as {{ figure }},
    {%- endfor %}
    cast(
        case when measured.clicks_source is not null then measured.conversions else 0 end as bigint
    ) as measured_conversions,
    cast(
        case when measured.clicks_source is not null then measured.commission else 0 end
        as {{ type_of('money') }}
    ) as measured_commission,
    cast(
        case
            when measured.campaign_id <> '(all)'
                then round(measured.commission / nullif(measured.known_clicks, 0), 6)
        end
        as {{ type_of('money') }}
    ) as epc,
    cast(
        case
            when measured.campaign_id <> '(all)'
                then round(
                    cast(measured.conversions as {{ type_of('money') }}) / nullif(measured.known_clicks, 0), 6
                )
        end
        as {{ type_of('money') }}
    ) as conversion_rate
from measured
left join campaign_names on measured.campaign_id = campaign_names.campaign_id
