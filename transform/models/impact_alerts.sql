{#
  What looks wrong each morning, by what was known then: the last 3 days against the 28 before them.
  An alert needs two things: a change that matters (a share), and one that chance hardly makes.
  Actions that impact.com made more than a day late count in no window, since recent days lack them.
#}
{%- set recent_days = 3 -%}
{%- set base_days = 28 -%}
{%- set sigmas = var('impact_watch_sigmas', 3) -%}
{%- set epc_fall = var('impact_watch_epc_fall', 0.4) -%}
{%- set reversals_rise = var('impact_watch_reversals_rise', 1.0) -%}
{%- set least_expected = var('impact_watch_least_expected', 8) -%}
{%- set late_hours = var('impact_watch_late_hours', 36) -%}
{%- set today = now_in_python() -%}

with mornings as (
    {%- for back in range(var('impact_watch_days', 14)) %}
    {%- set moment = today - modules.datetime.timedelta(days=back) %}
    select
        {{ instant(moment) }} as moment,
        {{ back }} as days_ago,
        cast('{{ (moment - modules.datetime.timedelta(days=1)).date() }}' as date) as last_day,
        cast('{{ (moment - modules.datetime.timedelta(days=recent_days)).date() }}' as date)
            as first_recent_day,
        cast('{{ (moment - modules.datetime.timedelta(days=recent_days + base_days)).date() }}' as date)
            as first_day
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

payouts as (
    select
        *,
        coalesce(created_at, happened_at) as arrived_at
    from {{ ref('impact_payouts') }}
),

actions as (
    select
        mornings.moment,
        payouts.connection_label,
        coalesce(payouts.campaign_id, '') as campaign_id,
        payouts.currency,
        payouts.day,
        count(*) as actions,
        sum(coalesce(payouts.intended_payout, payouts.payout, 0)) as tracked,
        cast(null as bigint) as clicks
    from payouts
    inner join mornings
        on
            payouts.day between mornings.first_day and mornings.last_day
            and payouts.arrived_at <= mornings.moment
    where {{ dbt.datediff('payouts.happened_at', 'payouts.arrived_at', 'hour') }} < 24
    group by
        mornings.moment, payouts.connection_label, payouts.campaign_id, payouts.currency, payouts.day
),

clicks as (
    select
        mornings.moment,
        performance.connection_label,
        performance.campaign_id,
        performance.currency,
        performance.day,
        0 as actions,
        0 as tracked,
        performance.clicks
    from {{ ref('impact_daily_performance') }} as performance
    inner join mornings on performance.day between mornings.first_day and mornings.last_day
    where performance.clicks is not null
),

days as (
    select
        facts.moment,
        mornings.first_recent_day,
        mornings.last_day,
        facts.connection_label,
        facts.campaign_id,
        facts.currency,
        facts.day,
        case when facts.day >= mornings.first_recent_day then 1 else 0 end as is_recent,
        sum(facts.actions) as actions,
        sum(facts.tracked) as tracked,
        sum(facts.clicks) as clicks
    from (
        select * from actions
        union all
        select * from clicks
    ) as facts
    inner join mornings on facts.moment = mornings.moment
    group by
        facts.moment, mornings.first_recent_day, mornings.last_day, facts.connection_label,
        facts.campaign_id, facts.currency, facts.day
),

-- earnings per click, of all campaigns, day by day
epc_days as (
    select
        moment,
        connection_label,
        currency,
        day,
        is_recent,
        sum(tracked) as tracked,
        sum(clicks) as clicks,
        cast(sum(tracked) as {{ dbt.type_float() }}) / nullif(sum(clicks), 0) as epc
    from days
    group by moment, connection_label, currency, day, is_recent
    having sum(clicks) > 0
),

epc as (
    select
        moment,
        connection_label,
        currency,
        sum(is_recent) as recent_days,
        count(*) - sum(is_recent) as base_days,
        sum(case when is_recent = 1 then tracked end)
        / nullif(sum(case when is_recent = 1 then clicks end), 0) as recent,
        sum(case when is_recent = 0 then tracked end)
        / nullif(sum(case when is_recent = 0 then clicks end), 0) as base,
        {{ 'stddev_samp' if target.type != 'redshift' else 'stddev' }}(
            case when is_recent = 0 then epc end
        ) as spread
    from epc_days
    group by moment, connection_label, currency
),

campaigns as (
    select
        moment,
        connection_label,
        campaign_id,
        sum(case when is_recent = 1 then actions else 0 end) as actions,
        sum(case when is_recent = 1 then clicks end) as clicks,
        {{ recent_days }} * sum(case when is_recent = 0 then actions else 0 end) / {{ base_days }}.0
            as usual_actions,
        sum(case when is_recent = 1 then clicks end)
        * cast(sum(case when is_recent = 0 and clicks is not null then actions end) as {{ dbt.type_float() }})
        / nullif(sum(case when is_recent = 0 then clicks end), 0) as actions_of_clicks
    from days
    group by moment, connection_label, campaign_id
),

first_reversals as (
    select
        action_id,
        min(updated_at) as reversed_at
    from {{ ref('impact_payout_history') }}
    where state = 'REVERSED'
    group by action_id
),

reversals as (
    select
        mornings.moment,
        payouts.connection_label,
        sum(
            case
                when {{ dbt.datediff('first_reversals.reversed_at', 'mornings.moment', 'hour') }}
                    < {{ 24 * recent_days }} then 1
                else 0
            end
        ) as recent,
        sum(
            case
                when {{ dbt.datediff('first_reversals.reversed_at', 'mornings.moment', 'hour') }}
                    >= {{ 24 * recent_days }} then 1
                else 0
            end
        ) * {{ recent_days }} / {{ 2 * base_days }}.0 as usual
    from first_reversals
    inner join payouts on first_reversals.action_id = payouts.action_id
    inner join mornings
        on
            first_reversals.reversed_at <= mornings.moment
            and {{ dbt.datediff('first_reversals.reversed_at', 'mornings.moment', 'hour') }}
            < {{ 24 * (recent_days + 2 * base_days) }}
    group by mornings.moment, payouts.connection_label
),

-- from one morning to the next: what came since the second newest came 0 days ago
arrivals as (
    select
        connection_label,
        floor({{ dbt.datediff('arrived_at', now(), 'second') }} / 86400.0) as days_ago,
        max(arrived_at) as newest_at,
        count(*) as actions
    from payouts
    where arrived_at <= {{ now() }}
    group by 1, 2
),

newest as (
    select
        mornings.moment,
        arrivals.connection_label,
        max(arrivals.newest_at) as newest_at,
        min(arrivals.days_ago) as days_ago
    from arrivals
    inner join mornings on arrivals.days_ago >= mornings.days_ago
    group by mornings.moment, arrivals.connection_label
),

-- What is usual is told by the days up to the newest action, however long ago it came: where data has
-- stopped, every morning is late until it comes again.
lateness as (
    select
        newest.moment,
        newest.connection_label,
        {{ dbt.datediff('newest.newest_at', 'newest.moment', 'hour') }} as hours,
        24.0 * {{ base_days }} / sum(arrivals.actions) as usual_hours
    from newest
    inner join arrivals
        on
            coalesce(newest.connection_label, '') = coalesce(arrivals.connection_label, '')
            and arrivals.days_ago >= newest.days_ago
            and arrivals.days_ago < newest.days_ago + {{ base_days }}
    group by newest.moment, newest.connection_label, newest.newest_at
),

alerts as (
    select
        moment,
        'epc_falls' as alert,
        connection_label,
        cast(null as {{ type_of('text') }}) as campaign_id,
        currency,
        recent as observed,
        base as usual
    from epc
    where
        base_days >= {{ base_days }} / 2
        and recent < base * (1 - {{ epc_fall }})
        and recent < base - {{ sigmas }} * spread / sqrt(epc.recent_days)

    union all

    select
        moment,
        'clicks_without_conversions',
        connection_label,
        campaign_id,
        null,
        actions,
        actions_of_clicks
    from campaigns
    where clicks > 0 and actions = 0 and actions_of_clicks >= {{ least_expected }}

    union all

    select
        moment,
        'campaign_is_silent',
        connection_label,
        campaign_id,
        null,
        actions,
        usual_actions
    from campaigns
    where coalesce(clicks, 0) = 0 and actions = 0 and usual_actions >= {{ least_expected }}

    union all

    select
        moment,
        'reversals_rise',
        connection_label,
        null,
        null,
        recent,
        usual
    from reversals
    where
        recent > usual * (1 + {{ reversals_rise }})
        and recent > usual + {{ sigmas }} * sqrt(3 * usual + 1)

    union all

    select
        moment,
        'data_is_late',
        connection_label,
        null,
        null,
        hours,
        usual_hours
    from lateness
    where hours > {{ late_hours }} and hours > {{ least_expected }} * usual_hours
),

names as (
    select
        campaign_id,
        max(campaign_name) as campaign_name
    from {{ ref('impact_daily_performance') }}
    group by campaign_id
)

select
    alerts.moment as told_at,
    alerts.moment = {{ now() }} as is_current,
    cast(alerts.alert as {{ type_of('text') }}) as alert,
    alerts.connection_label,
    alerts.campaign_id,
    names.campaign_name,
    alerts.currency,
    cast(round(cast(alerts.observed as {{ type_of('money') }}), 4) as {{ type_of('money') }}) as observed,
    cast(round(cast(alerts.usual as {{ type_of('money') }}), 4) as {{ type_of('money') }}) as usual
from alerts
left join names on alerts.campaign_id = names.campaign_id
