with actions as (
    {{ loaded('actions', {
        'event_day': 'date',
        'connection_label': 'varchar(255)',
        'campaign_id': 'varchar(255)',
        'campaign_name': 'varchar(255)',
        'currency': 'varchar(255)',
        'state': 'varchar(255)',
        'payout': 'numeric',
        'intended_payout': 'numeric',
        'amount': 'numeric',
    }) }}
),

daily_clicks as (
    {{ loaded('daily_clicks', {
        'click_day': 'date',
        'connection_label': 'varchar(255)',
        'connection_currency': 'varchar(255)',
        'campaign_id': 'varchar(255)',
        'clicks': 'bigint',
        'unique_clicks': 'bigint',
    }) }}
),

campaigns as (
    {{ loaded('campaigns', {'campaign_id': 'varchar(255)', 'campaign_name': 'varchar(255)'}) }}
),

-- a click has no currency: where the connection has no setting for it, it is that of most actions
ranked_currencies as (
    select
        connection_label,
        currency,
        row_number() over (
            partition by connection_label
            order by count(*) desc, currency
        ) as place
    from actions
    group by connection_label, currency
),

clicks_with_currency as (
    select
        daily_clicks.click_day,
        daily_clicks.connection_label,
        daily_clicks.campaign_id,
        daily_clicks.clicks,
        daily_clicks.unique_clicks,
        coalesce(daily_clicks.connection_currency, ranked_currencies.currency) as currency
    from daily_clicks
    left join ranked_currencies
        on
            coalesce(daily_clicks.connection_label, '') = coalesce(ranked_currencies.connection_label, '')
            and ranked_currencies.place = 1
),

-- actions and clicks one below the other, and then added up: a day may have either without the other
facts as (
    select
        event_day as day,
        connection_label,
        campaign_id,
        currency,
        state,
        1 as conversions,
        coalesce(payout, 0) as commission,
        coalesce(intended_payout, 0) as intended_commission,
        coalesce(amount, 0) as sale_amount,
        0 as clicks,
        0 as unique_clicks
    from actions

    union all

    select
        click_day,
        connection_label,
        campaign_id,
        currency,
        cast(null as varchar(255)),
        0,
        0,
        0,
        0,
        clicks,
        unique_clicks
    from clicks_with_currency
),

sums as (
    select
        day,
        connection_label,
        campaign_id,
        currency,
        cast(sum(clicks) as bigint) as clicks,
        cast(sum(unique_clicks) as bigint) as unique_clicks,
        sum(conversions) as conversions,
        sum(commission) as commission,
        sum(sale_amount) as sale_amount,
        sum(case when state = 'REVERSED' then intended_commission - commission else 0 end)
            as commission_lost,
        {%- for state in ['pending', 'approved', 'reversed'] %}
        sum(case when state = '{{ state | upper }}' then conversions else 0 end)
            as conversions_{{ state }},
        sum(case when state = '{{ state | upper }}' then commission else 0 end)
            as commission_{{ state }}{{ ',' if not loop.last }}
        {%- endfor %}
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
            cast(null as varchar(255)) as former_name
        from campaigns

        union all

        select
            campaign_id,
            null,
            campaign_name
        from actions
    ) as names
    group by campaign_id
)

select
    sums.day,
    sums.connection_label,
    sums.campaign_id,
    campaign_names.campaign_name,
    sums.currency,
    sums.clicks,
    sums.unique_clicks,
    sums.conversions,
    sums.conversions_pending,
    sums.conversions_approved,
    sums.conversions_reversed,
    sums.commission,
    sums.commission_pending,
    sums.commission_approved,
    sums.commission_reversed,
    sums.commission_lost,
    sums.sale_amount,
    round(1.0 * sums.commission / nullif(sums.clicks, 0), 6) as epc,
    round(1.0 * (sums.conversions - sums.conversions_reversed) / nullif(sums.clicks, 0), 6)
        as conversion_rate
from sums
left join campaign_names on sums.campaign_id = campaign_names.campaign_id
