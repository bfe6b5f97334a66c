{#
  How much of a pending payout remains depends on how old it is: who was not reversed in 30 days
  seldom is. So an action's payout is multiplied by what remained, of those that were as old and have
  locked within the year before the forecast, in its campaign; where those are few, the connection's
  other campaigns count in.
#}
{%- set ages = [0, 3, 7, 14, 21, 30, 45, 60, 90] -%}
{%- set weight_of_connection = 20 -%}
{%- set today = now_in_python() -%}
{%- set moments = [today] -%}
{%- for back in range(12) -%}
    {%- set month = today.year * 12 + today.month - 1 - back -%}
    {%- do moments.append(modules.datetime.datetime(month // 12, month % 12 + 1, 1)) -%}
{%- endfor -%}

with moments as (
    {%- for moment in moments %}
    select
        {{ instant(moment) }} as forecast_at,
        {{ 'true' if loop.first else 'false' }} as is_current
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

ages as (
    {%- for age in ages %}
    select
        {{ age }} as age,
        {{ 24 * age }} as from_hours,
        {{ 24 * ages[loop.index] if not loop.last else 'cast(null as bigint)' }} as to_hours
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

actions as (
    select
        action_id,
        connection_label,
        campaign_id,
        campaign_name,
        currency,
        happened_at,
        locks_at,
        {{ dbt.datediff('happened_at', 'locks_at', 'hour') }} as lock_hours
    from {{ ref('impact_payouts') }}
    where locks_at is not null
),

-- from when to when an action had a payout and a state, in hours since it happened
changes as (
    select
        action_id,
        updated_at,
        payout_after as payout,
        case when state = 'REVERSED' then 1 else 0 end as is_reversed,
        lead(updated_at) over (
            partition by action_id
            order by updated_at, update_id
        ) as changed_at
    from {{ ref('impact_payout_history') }}

    union all

    -- nothing is known of when it changed
    select
        action_id,
        coalesce(created_at, happened_at),
        coalesce(intended_payout, payout, 0),
        0,
        case when payout_status = 'reversed' then locks_at end
    from {{ ref('impact_payouts') }}
    where changes = 0

    union all

    select
        action_id,
        locks_at,
        0,
        1,
        null
    from {{ ref('impact_payouts') }}
    where changes = 0 and payout_status = 'reversed' and locks_at is not null
),

lives as (
    select
        actions.*,
        changes.updated_at,
        changes.changed_at,
        {{ dbt.datediff('actions.happened_at', 'changes.updated_at', 'hour') }} as from_hours,
        {{ dbt.datediff('actions.happened_at', 'changes.changed_at', 'hour') }} as to_hours,
        changes.payout as payout_then,
        changes.is_reversed
    from changes
    inner join actions on changes.action_id = actions.action_id
    where changes.changed_at is null or changes.changed_at > changes.updated_at
),

outcomes as (
    select
        action_id,
        case when is_reversed = 1 then 0 else payout_then end as payout_at_last
    from lives
    where updated_at <= locks_at and (changed_at is null or changed_at > locks_at)
),

-- what actions of an age were worth, and what they came to
learned as (
    select
        moments.forecast_at,
        lives.connection_label,
        lives.campaign_id,
        lives.currency,
        ages.age,
        count(*) as actions,
        sum(lives.payout_then) as pending,
        sum(outcomes.payout_at_last) as came_to
    from lives
    inner join ages
        on
            lives.from_hours <= ages.from_hours
            and (lives.to_hours is null or lives.to_hours > ages.from_hours)
            and lives.lock_hours > ages.from_hours
    inner join outcomes on lives.action_id = outcomes.action_id
    inner join moments
        on
            lives.locks_at <= moments.forecast_at
            and {{ dbt.datediff('lives.locks_at', 'moments.forecast_at', 'day') }} <= 365
    where lives.is_reversed = 0
    group by
        moments.forecast_at, lives.connection_label, lives.campaign_id, lives.currency, ages.age
),

learned_of_connection as (
    select
        forecast_at,
        connection_label,
        currency,
        age,
        sum(actions) as actions,
        sum(pending) as pending,
        sum(came_to) as came_to
    from learned
    group by forecast_at, connection_label, currency, age
),

-- what was pending at each moment
pending as (
    select
        moments.forecast_at,
        moments.is_current,
        payouts.action_id,
        payouts.connection_label,
        payouts.campaign_id,
        payouts.campaign_name,
        payouts.currency,
        payouts.locks_at,
        coalesce(payouts.payout, 0) as pending,
        {{ dbt.datediff('payouts.happened_at', 'moments.forecast_at', 'hour') }} as age_hours
    from {{ ref('impact_payouts') }} as payouts
    cross join moments
    where moments.is_current and payouts.payout_status = 'pending'

    union all

    select
        moments.forecast_at,
        moments.is_current,
        lives.action_id,
        lives.connection_label,
        lives.campaign_id,
        lives.campaign_name,
        lives.currency,
        lives.locks_at,
        lives.payout_then,
        {{ dbt.datediff('lives.happened_at', 'moments.forecast_at', 'hour') }}
    from lives
    inner join moments
        on
            lives.updated_at <= moments.forecast_at
            and (lives.changed_at is null or lives.changed_at > moments.forecast_at)
    where not moments.is_current and lives.is_reversed = 0 and lives.locks_at > moments.forecast_at
),

expected as (
    select
        pending.forecast_at,
        pending.is_current,
        pending.connection_label,
        pending.campaign_id,
        pending.campaign_name,
        pending.currency,
        pending.locks_at,
        pending.pending,
        pending.pending * coalesce(
            (
                coalesce(of_campaign.came_to, 0)
                + {{ weight_of_connection }} * of_connection.came_to / of_connection.actions
            ) / nullif(
                coalesce(of_campaign.pending, 0)
                + {{ weight_of_connection }} * of_connection.pending / of_connection.actions,
                0
            ),
            1
        ) as forecast,
        outcomes.payout_at_last
    from pending
    left join ages
        on
            pending.age_hours >= ages.from_hours
            and (ages.to_hours is null or pending.age_hours < ages.to_hours)
    left join learned_of_connection as of_connection
        on
            pending.forecast_at = of_connection.forecast_at
            and coalesce(pending.connection_label, '') = coalesce(of_connection.connection_label, '')
            and pending.currency = of_connection.currency
            and ages.age = of_connection.age
    left join learned as of_campaign
        on
            pending.forecast_at = of_campaign.forecast_at
            and coalesce(pending.connection_label, '') = coalesce(of_campaign.connection_label, '')
            and pending.campaign_id = of_campaign.campaign_id
            and pending.currency = of_campaign.currency
            and ages.age = of_campaign.age
    left join outcomes on pending.action_id = outcomes.action_id
)

select
    forecast_at,
    is_current,
    connection_label,
    campaign_id,
    max(campaign_name) as campaign_name,
    currency,
    count(*) as actions,
    cast(sum(pending) as {{ type_of('money') }}) as pending,
    cast(round(sum(forecast), 6) as {{ type_of('money') }}) as forecast,
    cast(
        case when max(locks_at) <= {{ now() }} then sum(payout_at_last) end as {{ type_of('money') }}
    ) as came_to
from expected
group by forecast_at, is_current, connection_label, campaign_id, currency
