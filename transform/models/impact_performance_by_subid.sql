{%- set dimensions = ['shared_id', 'sub_id1', 'sub_id2', 'sub_id3', 'ad_id', 'referring_domain'] -%}
{%- set keys = ['day', 'connection_label', 'campaign_id', 'currency'] -%}
{%- set meanings = ['property', 'page', 'team'] -%}

with clicks as (
    {{ loaded('clicks', {
        'click_day': 'day',
        'connection_label': 'text',
        'campaign_id': 'text',
        'shared_id': 'text',
        'sub_id1': 'text',
        'sub_id2': 'text',
        'sub_id3': 'text',
        'ad_id': 'text',
        'referring_domain': 'text',
        'unique_click': 'flag',
    }) }}
),

daily as (
    select * from {{ ref('impact_daily_performance') }}
),

-- days whose clicks are known one by one
itemized as (
    select
        click_days.day,
        click_days.connection_label,
        click_days.currency
    from {{ ref('impact_click_days') }} as click_days
    inner join (select distinct click_day, connection_label from clicks) as loaded_days
        on
            click_days.day = loaded_days.click_day
            and coalesce(click_days.connection_label, '') = coalesce(loaded_days.connection_label, '')
    where click_days.clicks_source = 'daily_clicks'
),

facts as (
    select
        day,
        connection_label,
        coalesce(campaign_id, '') as campaign_id,
        currency,
        {%- for dimension in dimensions %}
        coalesce({{ dimension }}, '(unset)') as {{ dimension }},
        {%- endfor %}
        coalesce(payout_status, 'other') as status,
        1 as actions,
        coalesce(payout, 0) as payout,
        coalesce(intended_payout, payout, 0) - coalesce(payout, 0) as modified,
        coalesce(amount, 0) as amount,
        {{ dbt.datediff('happened_at', 'locks_at', 'hour') }} as hours_to_locking,
        0 as clicks,
        0 as unique_clicks
    from {{ ref('impact_payouts') }}

    union all

    select
        itemized.day,
        itemized.connection_label,
        coalesce(clicks.campaign_id, ''),
        itemized.currency,
        {%- for dimension in dimensions %}
        coalesce(clicks.{{ dimension }}, '(unset)'),
        {%- endfor %}
        'click',
        0,
        0,
        0,
        0,
        null,
        1,
        case when clicks.unique_click then 1 else 0 end
    from clicks
    inner join itemized
        on
            clicks.click_day = itemized.day
            and coalesce(clicks.connection_label, '') = coalesce(itemized.connection_label, '')
),

sums as (
    select
        {{ keys | join(',\n        ') }},
        {{ dimensions | join(',\n        ') }},
        sum(clicks) as clicks,
        sum(unique_clicks) as unique_clicks,
        sum(case when status <> 'reversed' then actions else 0 end) as conversions,
        sum(case when status = 'pending' then actions else 0 end) as conversions_pending,
        sum(case when status in ('locked', 'cleared') then actions else 0 end) as conversions_approved,
        sum(case when status = 'reversed' then actions else 0 end) as conversions_reversed,
        sum(actions) as actions,
        sum(case when status <> 'reversed' then payout else 0 end) as commission,
        sum(case when status = 'reversed' then modified else 0 end) as commission_lost,
        sum(case when status <> 'reversed' then amount else 0 end) as sale_amount,
        avg(hours_to_locking) as hours_to_locking
    from facts
    group by {{ keys | join(', ') }}, {{ dimensions | join(', ') }}
),

-- clicks are known of a row if they are known one by one, or if the campaign had none
known as (
    select
        sums.*,
        case
            when itemized.day is not null or daily.clicks = 0 then sums.clicks
        end as known_clicks,
        case
            when itemized.day is not null or daily.clicks = 0 then sums.unique_clicks
        end as known_unique_clicks
    from sums
    left join itemized
        on
            sums.day = itemized.day
            and coalesce(sums.connection_label, '') = coalesce(itemized.connection_label, '')
            and coalesce(sums.currency, '') = coalesce(itemized.currency, '')
    left join daily
        on
            sums.day = daily.day
            and coalesce(sums.connection_label, '') = coalesce(daily.connection_label, '')
            and sums.campaign_id = daily.campaign_id
            and coalesce(sums.currency, '') = coalesce(daily.currency, '')
),

-- the clicks of which only the day's total is known
rest as (
    select
        daily.day,
        daily.connection_label,
        daily.campaign_id,
        daily.currency,
        daily.clicks - coalesce(itemized_clicks.clicks, 0) as clicks,
        daily.unique_clicks - coalesce(itemized_clicks.unique_clicks, 0) as unique_clicks
    from daily
    left join (
        select
            {{ keys | join(',\n            ') }},
            sum(known_clicks) as clicks,
            sum(known_unique_clicks) as unique_clicks
        from known
        group by {{ keys | join(', ') }}
    ) as itemized_clicks
        on
            daily.day = itemized_clicks.day
            and coalesce(daily.connection_label, '') = coalesce(itemized_clicks.connection_label, '')
            and daily.campaign_id = itemized_clicks.campaign_id
            and coalesce(daily.currency, '') = coalesce(itemized_clicks.currency, '')
    where daily.clicks <> coalesce(itemized_clicks.clicks, 0)
),

combined as (
    select
        {{ keys | join(',\n        ') }},
        {{ dimensions | join(',\n        ') }},
        known_clicks as clicks,
        known_unique_clicks as unique_clicks,
        conversions,
        conversions_pending,
        conversions_approved,
        conversions_reversed,
        commission,
        commission_lost,
        sale_amount,
        case when known_clicks is not null then conversions else 0 end as measured_conversions,
        case when known_clicks is not null then commission else 0 end as measured_commission,
        round(cast(commission as {{ type_of('money') }}) / nullif(known_clicks, 0), 6) as epc,
        round(cast(conversions_reversed as {{ type_of('money') }}) / nullif(actions, 0), 6)
            as reversal_rate,
        round(cast(hours_to_locking as {{ type_of('money') }}) / 24, 2) as days_to_locking
    from known

    union all

    select
        {{ keys | join(',\n        ') }},
        {%- for dimension in dimensions %}
        '(unknown)',
        {%- endfor %}
        clicks,
        unique_clicks,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        null,
        null,
        null
    from rest
),

rules as (
    select
        rank_of_rule,
        matched_column,
        pattern,
        {%- for meaning in meanings %}
        nullif({{ meaning }}, '') as {{ meaning }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ ref(var('impact_subid_patterns', 'impact_subid_patterns')) }}
),

places as (
    select distinct {{ dimensions | join(', ') }}
    from combined
),

matched as (
    select
        values_of_places.*,
        {%- for meaning in meanings %}
        case when rules.{{ meaning }} = '=' then values_of_places.matched_value else rules.{{ meaning }} end
            as {{ meaning }},
        row_number() over (
            partition by {{ dimensions | join(', ') }}
            order by case when rules.{{ meaning }} is null then 1 else 0 end, rules.rank_of_rule
        ) as {{ meaning }}_choice{{ ',' if not loop.last }}
        {%- endfor %}
    from (
        {%- for dimension in dimensions %}
        select
            places.*,
            '{{ dimension }}' as matched_column,
            places.{{ dimension }} as matched_value
        from places
        {{ 'union all' if not loop.last }}
        {%- endfor %}
    ) as values_of_places
    inner join rules
        on
            values_of_places.matched_column = rules.matched_column
            and values_of_places.matched_value like rules.pattern
),

meant as (
    select
        {{ dimensions | join(',\n        ') }},
        {%- for meaning in meanings %}
        max(case when {{ meaning }}_choice = 1 then {{ meaning }} end) as {{ meaning }}{{ ',' if not loop.last }}
        {%- endfor %}
    from matched
    group by {{ dimensions | join(', ') }}
)

select
    combined.day,
    combined.connection_label,
    combined.campaign_id,
    daily.campaign_name,
    combined.currency,
    {%- for dimension in dimensions %}
    combined.{{ dimension }},
    {%- endfor %}
    {%- for meaning in meanings %}
    cast(coalesce(meant.{{ meaning }}, '(unset)') as {{ type_of('text') }}) as {{ meaning }},
    {%- endfor %}
    {%- for figure in [
        'clicks', 'unique_clicks', 'conversions', 'conversions_pending', 'conversions_approved',
        'conversions_reversed', 'measured_conversions',
    ] %}
    cast(combined.{{ figure }} as bigint) as {{ figure }},
    {%- endfor %}
    {%- for figure in [
        'commission', 'commission_lost', 'sale_amount', 'measured_commission', 'epc', 'reversal_rate',
        'days_to_locking',
    ] %}
    cast(combined.{{ figure }} as {{ type_of('money') }}) as {{ figure }}{{ ',' if not loop.last }}
    {%- endfor %}
from combined
left join meant
    on
        {%- for dimension in dimensions %}
        combined.{{ dimension }} = meant.{{ dimension }}{{ ' and' if not loop.last }}
        {%- endfor %}
left join daily
    on
        combined.day = daily.day
        and coalesce(combined.connection_label, '') = coalesce(daily.connection_label, '')
        and combined.campaign_id = daily.campaign_id
        and coalesce(combined.currency, '') = coalesce(daily.currency, '')
