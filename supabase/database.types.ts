// Generated from sql/schema/ by `make types`; do not edit.

export type Json = string | number | boolean | null | { [key: string]: Json | undefined } | Json[];

export type Database = {
  "public": {
    Tables: {
      "account_balances": {
        Row: {
          "account_id": string;
          "as_of": string;
          "available": number | null;
          "cash": number | null;
          "created_at": string;
          "currency": string;
          "environment": string;
          "equity": number;
          "exchange": string;
          "unrealised_pnl": number | null;
          "updated_at": string;
          "user_id": string;
        };
        ComputedFields: never;
        Insert: {
          "account_id": string;
          "as_of": string;
          "available"?: number | null;
          "cash"?: number | null;
          "created_at"?: string;
          "currency": string;
          "environment": string;
          "equity": number;
          "exchange": string;
          "unrealised_pnl"?: number | null;
          "updated_at"?: string;
          "user_id"?: string;
        };
        Update: {
          "account_id"?: string;
          "as_of"?: string;
          "available"?: number | null;
          "cash"?: number | null;
          "created_at"?: string;
          "currency"?: string;
          "environment"?: string;
          "equity"?: number;
          "exchange"?: string;
          "unrealised_pnl"?: number | null;
          "updated_at"?: string;
          "user_id"?: string;
        };
        Relationships: [
          {
            foreignKeyName: "account_balances_user_id_account_id_fkey";
            columns: ["user_id", "account_id"];
            isOneToOne: false;
            referencedRelation: "user_api_keys";
            referencedColumns: ["user_id", "id"];
          },
        ];
      };
      "audit_log": {
        Row: {
          "action": string;
          "actor": string;
          "at": string;
          "detail": NonNullable<Json>;
          "id": number;
          "pseudonym": string | null;
          "subject": string | null;
          "user_id": string | null;
        };
        ComputedFields: never;
        Insert: {
          "action": string;
          "actor": string;
          "at"?: string;
          "detail"?: NonNullable<Json>;
          "id"?: never;
          "pseudonym"?: string | null;
          "subject"?: string | null;
          "user_id"?: string | null;
        };
        Update: {
          "action"?: string;
          "actor"?: string;
          "at"?: string;
          "detail"?: NonNullable<Json>;
          "id"?: never;
          "pseudonym"?: string | null;
          "subject"?: string | null;
          "user_id"?: string | null;
        };
        Relationships: [];
      };
      "data_exports": {
        Row: {
          "created_at": string;
          "expires_at": string;
          "finished_at": string | null;
          "id": string;
          "parts": number;
          "rows": number;
          "status": string;
          "tables": NonNullable<Json>;
          "user_id": string;
        };
        ComputedFields: never;
        Insert: {
          "created_at"?: string;
          "expires_at"?: string;
          "finished_at"?: string | null;
          "id"?: string;
          "parts"?: number;
          "rows"?: number;
          "status"?: string;
          "tables"?: NonNullable<Json>;
          "user_id"?: string;
        };
        Update: {
          "created_at"?: string;
          "expires_at"?: string;
          "finished_at"?: string | null;
          "id"?: string;
          "parts"?: number;
          "rows"?: number;
          "status"?: string;
          "tables"?: NonNullable<Json>;
          "user_id"?: string;
        };
        Relationships: [];
      };
      "entitlements": {
        Row: {
          "addon": string;
          "cancel_at_period_end": boolean;
          "canceled_at": string | null;
          "created_at": string;
          "current_period_end": string | null;
          "current_period_start": string | null;
          "id": string;
          "past_due_since": string | null;
          "status": string;
          "stripe_price_id": string | null;
          "stripe_subscription_id": string | null;
          "stripe_subscription_item_id": string | null;
          "updated_at": string;
          "user_id": string;
        };
        ComputedFields: never;
        Insert: {
          "addon": string;
          "cancel_at_period_end"?: boolean;
          "canceled_at"?: string | null;
          "created_at"?: string;
          "current_period_end"?: string | null;
          "current_period_start"?: string | null;
          "id"?: string;
          "past_due_since"?: string | null;
          "status"?: string;
          "stripe_price_id"?: string | null;
          "stripe_subscription_id"?: string | null;
          "stripe_subscription_item_id"?: string | null;
          "updated_at"?: string;
          "user_id"?: string;
        };
        Update: {
          "addon"?: string;
          "cancel_at_period_end"?: boolean;
          "canceled_at"?: string | null;
          "created_at"?: string;
          "current_period_end"?: string | null;
          "current_period_start"?: string | null;
          "id"?: string;
          "past_due_since"?: string | null;
          "status"?: string;
          "stripe_price_id"?: string | null;
          "stripe_subscription_id"?: string | null;
          "stripe_subscription_item_id"?: string | null;
          "updated_at"?: string;
          "user_id"?: string;
        };
        Relationships: [];
      };
      "fills": {
        Row: {
          "account_id": string | null;
          "closed_quantity": number;
          "created_at": string;
          "fee": number | null;
          "fee_currency": string | null;
          "filled_at": string;
          "id": string;
          "order_id": string;
          "price": number;
          "quantity": number;
          "side": string;
          "symbol": string;
          "user_id": string;
          "venue_fill_id": string;
        };
        ComputedFields: never;
        Insert: {
          "account_id"?: string | null;
          "closed_quantity"?: number;
          "created_at"?: string;
          "fee"?: number | null;
          "fee_currency"?: string | null;
          "filled_at": string;
          "id"?: string;
          "order_id": string;
          "price": number;
          "quantity": number;
          "side": string;
          "symbol": string;
          "user_id"?: string;
          "venue_fill_id": string;
        };
        Update: {
          "account_id"?: string | null;
          "closed_quantity"?: number;
          "created_at"?: string;
          "fee"?: number | null;
          "fee_currency"?: string | null;
          "filled_at"?: string;
          "id"?: string;
          "order_id"?: string;
          "price"?: number;
          "quantity"?: number;
          "side"?: string;
          "symbol"?: string;
          "user_id"?: string;
          "venue_fill_id"?: string;
        };
        Relationships: [
          {
            foreignKeyName: "fills_user_id_account_id_fkey";
            columns: ["user_id", "account_id"];
            isOneToOne: false;
            referencedRelation: "user_api_keys";
            referencedColumns: ["user_id", "id"];
          },
          {
            foreignKeyName: "fills_user_id_order_id_fkey";
            columns: ["user_id", "order_id"];
            isOneToOne: false;
            referencedRelation: "orders";
            referencedColumns: ["user_id", "id"];
          },
        ];
      };
      "notification_preferences": {
        Row: {
          "created_at": string;
          "in_app": boolean;
          "kind": string;
          "updated_at": string;
          "user_id": string;
        };
        ComputedFields: never;
        Insert: {
          "created_at"?: string;
          "in_app"?: boolean;
          "kind": string;
          "updated_at"?: string;
          "user_id"?: string;
        };
        Update: {
          "created_at"?: string;
          "in_app"?: boolean;
          "kind"?: string;
          "updated_at"?: string;
          "user_id"?: string;
        };
        Relationships: [];
      };
      "notifications": {
        Row: {
          "body": string;
          "created_at": string;
          "data": NonNullable<Json>;
          "id": string;
          "kind": string;
          "read_at": string | null;
          "severity": string;
          "title": string;
          "user_id": string;
        };
        ComputedFields: never;
        Insert: {
          "body": string;
          "created_at"?: string;
          "data"?: NonNullable<Json>;
          "id"?: string;
          "kind": string;
          "read_at"?: string | null;
          "severity": string;
          "title": string;
          "user_id"?: string;
        };
        Update: {
          "body"?: string;
          "created_at"?: string;
          "data"?: NonNullable<Json>;
          "id"?: string;
          "kind"?: string;
          "read_at"?: string | null;
          "severity"?: string;
          "title"?: string;
          "user_id"?: string;
        };
        Relationships: [];
      };
      "option_trades": {
        Row: {
          "account_id": string | null;
          "config_snapshot": NonNullable<Json>;
          "contract_size": number;
          "cost_usd": number | null;
          "created_at": string;
          "entry_limit_price": number | null;
          "entry_order": Json | null;
          "entry_order_id": string | null;
          "environment": string;
          "exchange": string;
          "expiration_date": string | null;
          "extra_metadata": NonNullable<Json>;
          "id": string;
          "option_symbol": string;
          "option_type": string | null;
          "pnl_percent": number | null;
          "pnl_usd": number | null;
          "quantity_contracts": number | null;
          "signal_id": string | null;
          "sl_leg": Json | null;
          "sl_limit_price": number | null;
          "sl_order_id": string | null;
          "sl_stop_price": number | null;
          "status": string;
          "strategy": string | null;
          "strategy_id": string | null;
          "strike_price": number | null;
          "time_exit_order": Json | null;
          "time_exit_order_id": string | null;
          "tp_leg": Json | null;
          "tp_limit_price": number | null;
          "tp_order_id": string | null;
          "underlying_symbol": string;
          "updated_at": string;
          "user_id": string;
        };
        ComputedFields: never;
        Insert: {
          "account_id"?: string | null;
          "config_snapshot"?: NonNullable<Json>;
          "contract_size"?: number;
          "cost_usd"?: number | null;
          "created_at"?: string;
          "entry_limit_price"?: number | null;
          "entry_order"?: Json | null;
          "entry_order_id"?: string | null;
          "environment"?: string;
          "exchange"?: string;
          "expiration_date"?: string | null;
          "extra_metadata"?: NonNullable<Json>;
          "id"?: string;
          "option_symbol": string;
          "option_type"?: string | null;
          "pnl_percent"?: number | null;
          "pnl_usd"?: number | null;
          "quantity_contracts"?: number | null;
          "signal_id"?: string | null;
          "sl_leg"?: Json | null;
          "sl_limit_price"?: number | null;
          "sl_order_id"?: string | null;
          "sl_stop_price"?: number | null;
          "status"?: string;
          "strategy"?: string | null;
          "strategy_id"?: string | null;
          "strike_price"?: number | null;
          "time_exit_order"?: Json | null;
          "time_exit_order_id"?: string | null;
          "tp_leg"?: Json | null;
          "tp_limit_price"?: number | null;
          "tp_order_id"?: string | null;
          "underlying_symbol": string;
          "updated_at"?: string;
          "user_id"?: string;
        };
        Update: {
          "account_id"?: string | null;
          "config_snapshot"?: NonNullable<Json>;
          "contract_size"?: number;
          "cost_usd"?: number | null;
          "created_at"?: string;
          "entry_limit_price"?: number | null;
          "entry_order"?: Json | null;
          "entry_order_id"?: string | null;
          "environment"?: string;
          "exchange"?: string;
          "expiration_date"?: string | null;
          "extra_metadata"?: NonNullable<Json>;
          "id"?: string;
          "option_symbol"?: string;
          "option_type"?: string | null;
          "pnl_percent"?: number | null;
          "pnl_usd"?: number | null;
          "quantity_contracts"?: number | null;
          "signal_id"?: string | null;
          "sl_leg"?: Json | null;
          "sl_limit_price"?: number | null;
          "sl_order_id"?: string | null;
          "sl_stop_price"?: number | null;
          "status"?: string;
          "strategy"?: string | null;
          "strategy_id"?: string | null;
          "strike_price"?: number | null;
          "time_exit_order"?: Json | null;
          "time_exit_order_id"?: string | null;
          "tp_leg"?: Json | null;
          "tp_limit_price"?: number | null;
          "tp_order_id"?: string | null;
          "underlying_symbol"?: string;
          "updated_at"?: string;
          "user_id"?: string;
        };
        Relationships: [
          {
            foreignKeyName: "option_trades_user_id_account_id_fkey";
            columns: ["user_id", "account_id"];
            isOneToOne: false;
            referencedRelation: "user_api_keys";
            referencedColumns: ["user_id", "id"];
          },
          {
            foreignKeyName: "option_trades_user_id_signal_id_fkey";
            columns: ["user_id", "signal_id"];
            isOneToOne: false;
            referencedRelation: "signals";
            referencedColumns: ["user_id", "id"];
          },
          {
            foreignKeyName: "option_trades_user_id_signal_id_fkey";
            columns: ["user_id", "signal_id"];
            isOneToOne: false;
            referencedRelation: "webhook_requests";
            referencedColumns: ["user_id", "id"];
          },
          {
            foreignKeyName: "option_trades_user_id_strategy_id_fkey";
            columns: ["user_id", "strategy_id"];
            isOneToOne: false;
            referencedRelation: "strategies";
            referencedColumns: ["user_id", "id"];
          },
        ];
      };
      "orders": {
        Row: {
          "account_id": string | null;
          "acknowledged_at": string | null;
          "attached_to": number | null;
          "average_price": number | null;
          "bookmark": string | null;
          "client_order_id": string;
          "created_at": string;
          "environment": string;
          "exchange": string;
          "extended_hours": boolean;
          "filled_quantity": number;
          "id": string;
          "leg": number;
          "limit_price": number | null;
          "order_type": string;
          "purpose": string;
          "quantity": number;
          "reason": string | null;
          "reason_code": string | null;
          "reduce_only": boolean;
          "reference_price": number | null;
          "side": string;
          "signal_id": string;
          "spread": NonNullable<Json>;
          "state": string;
          "stop_price": number | null;
          "submissions": number;
          "submitted_at": string;
          "symbol": string;
          "time_in_force": string | null;
          "trail_distance": number | null;
          "trail_percent": number | null;
          "updated_at": string;
          "user_id": string;
          "venue_order_id": string | null;
        };
        ComputedFields: never;
        Insert: {
          "account_id"?: string | null;
          "acknowledged_at"?: string | null;
          "attached_to"?: number | null;
          "average_price"?: number | null;
          "bookmark"?: string | null;
          "client_order_id": string;
          "created_at"?: string;
          "environment": string;
          "exchange": string;
          "extended_hours"?: boolean;
          "filled_quantity"?: number;
          "id"?: string;
          "leg": number;
          "limit_price"?: number | null;
          "order_type": string;
          "purpose": string;
          "quantity": number;
          "reason"?: string | null;
          "reason_code"?: string | null;
          "reduce_only"?: boolean;
          "reference_price"?: number | null;
          "side": string;
          "signal_id": string;
          "spread"?: NonNullable<Json>;
          "state"?: string;
          "stop_price"?: number | null;
          "submissions"?: number;
          "submitted_at"?: string;
          "symbol": string;
          "time_in_force"?: string | null;
          "trail_distance"?: number | null;
          "trail_percent"?: number | null;
          "updated_at"?: string;
          "user_id"?: string;
          "venue_order_id"?: string | null;
        };
        Update: {
          "account_id"?: string | null;
          "acknowledged_at"?: string | null;
          "attached_to"?: number | null;
          "average_price"?: number | null;
          "bookmark"?: string | null;
          "client_order_id"?: string;
          "created_at"?: string;
          "environment"?: string;
          "exchange"?: string;
          "extended_hours"?: boolean;
          "filled_quantity"?: number;
          "id"?: string;
          "leg"?: number;
          "limit_price"?: number | null;
          "order_type"?: string;
          "purpose"?: string;
          "quantity"?: number;
          "reason"?: string | null;
          "reason_code"?: string | null;
          "reduce_only"?: boolean;
          "reference_price"?: number | null;
          "side"?: string;
          "signal_id"?: string;
          "spread"?: NonNullable<Json>;
          "state"?: string;
          "stop_price"?: number | null;
          "submissions"?: number;
          "submitted_at"?: string;
          "symbol"?: string;
          "time_in_force"?: string | null;
          "trail_distance"?: number | null;
          "trail_percent"?: number | null;
          "updated_at"?: string;
          "user_id"?: string;
          "venue_order_id"?: string | null;
        };
        Relationships: [
          {
            foreignKeyName: "orders_user_id_account_id_fkey";
            columns: ["user_id", "account_id"];
            isOneToOne: false;
            referencedRelation: "user_api_keys";
            referencedColumns: ["user_id", "id"];
          },
          {
            foreignKeyName: "orders_user_id_signal_id_fkey";
            columns: ["user_id", "signal_id"];
            isOneToOne: false;
            referencedRelation: "signals";
            referencedColumns: ["user_id", "id"];
          },
          {
            foreignKeyName: "orders_user_id_signal_id_fkey";
            columns: ["user_id", "signal_id"];
            isOneToOne: false;
            referencedRelation: "webhook_requests";
            referencedColumns: ["user_id", "id"];
          },
        ];
      };
      "plans": {
        Row: {
          "created_at": string;
          "features": (string)[];
          "max_exchanges": number | null;
          "max_strategies": number | null;
          "monthly_price_usd": number | null;
          "name": string;
          "position": number;
          "updated_at": string;
          "webhooks_per_hour": number | null;
        };
        ComputedFields: never;
        Insert: {
          "created_at"?: string;
          "features"?: (string)[];
          "max_exchanges"?: number | null;
          "max_strategies"?: number | null;
          "monthly_price_usd"?: number | null;
          "name": string;
          "position": number;
          "updated_at"?: string;
          "webhooks_per_hour"?: number | null;
        };
        Update: {
          "created_at"?: string;
          "features"?: (string)[];
          "max_exchanges"?: number | null;
          "max_strategies"?: number | null;
          "monthly_price_usd"?: number | null;
          "name"?: string;
          "position"?: number;
          "updated_at"?: string;
          "webhooks_per_hour"?: number | null;
        };
        Relationships: [];
      };
      "positions": {
        Row: {
          "account_id": string;
          "asset_class": Database["public"]["Enums"]["asset_class_type"] | null;
          "created_at": string;
          "current_price": number | null;
          "entry_fees": number;
          "entry_order_id": string | null;
          "entry_price": number;
          "entry_time": string;
          "exchange": string | null;
          "id": string;
          "last_price_update": string | null;
          "notes": string | null;
          "position_size_usd": number;
          "quantity": number;
          "side": string;
          "stop_loss_order_id": string | null;
          "stop_loss_percent": number | null;
          "stop_loss_price": number | null;
          "strategy_id": string | null;
          "symbol": string;
          "take_profit_order_id": string | null;
          "take_profit_percent": number | null;
          "take_profit_price": number | null;
          "unrealized_pnl_percent": number | null;
          "unrealized_pnl_usd": number | null;
          "updated_at": string;
          "user_id": string;
        };
        ComputedFields: never;
        Insert: {
          "account_id": string;
          "asset_class"?: Database["public"]["Enums"]["asset_class_type"] | null;
          "created_at"?: string;
          "current_price"?: number | null;
          "entry_fees"?: number;
          "entry_order_id"?: string | null;
          "entry_price": number;
          "entry_time": string;
          "exchange"?: string | null;
          "id"?: string;
          "last_price_update"?: string | null;
          "notes"?: string | null;
          "position_size_usd": number;
          "quantity": number;
          "side": string;
          "stop_loss_order_id"?: string | null;
          "stop_loss_percent"?: number | null;
          "stop_loss_price"?: number | null;
          "strategy_id"?: string | null;
          "symbol": string;
          "take_profit_order_id"?: string | null;
          "take_profit_percent"?: number | null;
          "take_profit_price"?: number | null;
          "unrealized_pnl_percent"?: number | null;
          "unrealized_pnl_usd"?: number | null;
          "updated_at"?: string;
          "user_id"?: string;
        };
        Update: {
          "account_id"?: string;
          "asset_class"?: Database["public"]["Enums"]["asset_class_type"] | null;
          "created_at"?: string;
          "current_price"?: number | null;
          "entry_fees"?: number;
          "entry_order_id"?: string | null;
          "entry_price"?: number;
          "entry_time"?: string;
          "exchange"?: string | null;
          "id"?: string;
          "last_price_update"?: string | null;
          "notes"?: string | null;
          "position_size_usd"?: number;
          "quantity"?: number;
          "side"?: string;
          "stop_loss_order_id"?: string | null;
          "stop_loss_percent"?: number | null;
          "stop_loss_price"?: number | null;
          "strategy_id"?: string | null;
          "symbol"?: string;
          "take_profit_order_id"?: string | null;
          "take_profit_percent"?: number | null;
          "take_profit_price"?: number | null;
          "unrealized_pnl_percent"?: number | null;
          "unrealized_pnl_usd"?: number | null;
          "updated_at"?: string;
          "user_id"?: string;
        };
        Relationships: [
          {
            foreignKeyName: "positions_user_id_account_id_fkey";
            columns: ["user_id", "account_id"];
            isOneToOne: false;
            referencedRelation: "user_api_keys";
            referencedColumns: ["user_id", "id"];
          },
          {
            foreignKeyName: "positions_user_id_strategy_id_fkey";
            columns: ["user_id", "strategy_id"];
            isOneToOne: false;
            referencedRelation: "strategies";
            referencedColumns: ["user_id", "id"];
          },
        ];
      };
      "signals": {
        Row: {
          "account_id": string | null;
          "acknowledged_at": string | null;
          "action": string | null;
          "alert": NonNullable<Json>;
          "alert_at": string | null;
          "attempt": number;
          "claimed_at": string | null;
          "claimed_by": string | null;
          "created_at": string;
          "entered_at": string | null;
          "environment": string | null;
          "exchange": string | null;
          "explanation": Json | null;
          "fence": number;
          "finished_at": string | null;
          "id": string;
          "is_exit": boolean;
          "lane": string | null;
          "lease_until": string | null;
          "parent_id": string | null;
          "plan": Json | null;
          "raw": string | null;
          "reason": string | null;
          "reason_code": string | null;
          "received_at": string;
          "seq": number;
          "status": string;
          "strategy_id": string | null;
          "submitted_at": string | null;
          "symbol": string | null;
          "user_id": string;
          "warnings": (string)[];
          "webhook_id": string | null;
        };
        ComputedFields: never;
        Insert: {
          "account_id"?: string | null;
          "acknowledged_at"?: string | null;
          "action"?: string | null;
          "alert"?: NonNullable<Json>;
          "alert_at"?: string | null;
          "attempt"?: number;
          "claimed_at"?: string | null;
          "claimed_by"?: string | null;
          "created_at"?: string;
          "entered_at"?: string | null;
          "environment"?: string | null;
          "exchange"?: string | null;
          "explanation"?: Json | null;
          "fence"?: number;
          "finished_at"?: string | null;
          "id"?: string;
          "is_exit"?: boolean;
          "lane"?: never;
          "lease_until"?: string | null;
          "parent_id"?: string | null;
          "plan"?: Json | null;
          "raw"?: string | null;
          "reason"?: string | null;
          "reason_code"?: string | null;
          "received_at"?: string;
          "seq"?: never;
          "status"?: string;
          "strategy_id"?: string | null;
          "submitted_at"?: string | null;
          "symbol"?: string | null;
          "user_id"?: string;
          "warnings"?: (string)[];
          "webhook_id"?: string | null;
        };
        Update: {
          "account_id"?: string | null;
          "acknowledged_at"?: string | null;
          "action"?: string | null;
          "alert"?: NonNullable<Json>;
          "alert_at"?: string | null;
          "attempt"?: number;
          "claimed_at"?: string | null;
          "claimed_by"?: string | null;
          "created_at"?: string;
          "entered_at"?: string | null;
          "environment"?: string | null;
          "exchange"?: string | null;
          "explanation"?: Json | null;
          "fence"?: number;
          "finished_at"?: string | null;
          "id"?: string;
          "is_exit"?: boolean;
          "lane"?: never;
          "lease_until"?: string | null;
          "parent_id"?: string | null;
          "plan"?: Json | null;
          "raw"?: string | null;
          "reason"?: string | null;
          "reason_code"?: string | null;
          "received_at"?: string;
          "seq"?: never;
          "status"?: string;
          "strategy_id"?: string | null;
          "submitted_at"?: string | null;
          "symbol"?: string | null;
          "user_id"?: string;
          "warnings"?: (string)[];
          "webhook_id"?: string | null;
        };
        Relationships: [
          {
            foreignKeyName: "signals_user_id_account_id_fkey";
            columns: ["user_id", "account_id"];
            isOneToOne: false;
            referencedRelation: "user_api_keys";
            referencedColumns: ["user_id", "id"];
          },
          {
            foreignKeyName: "signals_user_id_parent_id_fkey";
            columns: ["user_id", "parent_id"];
            isOneToOne: false;
            referencedRelation: "signals";
            referencedColumns: ["user_id", "id"];
          },
          {
            foreignKeyName: "signals_user_id_parent_id_fkey";
            columns: ["user_id", "parent_id"];
            isOneToOne: false;
            referencedRelation: "webhook_requests";
            referencedColumns: ["user_id", "id"];
          },
          {
            foreignKeyName: "signals_user_id_strategy_id_fkey";
            columns: ["user_id", "strategy_id"];
            isOneToOne: false;
            referencedRelation: "strategies";
            referencedColumns: ["user_id", "id"];
          },
          {
            foreignKeyName: "signals_user_id_webhook_id_fkey";
            columns: ["user_id", "webhook_id"];
            isOneToOne: false;
            referencedRelation: "user_webhook_configs";
            referencedColumns: ["user_id", "id"];
          },
        ];
      };
      "strategies": {
        Row: {
          "asset_class": Database["public"]["Enums"]["asset_class_type"] | null;
          "avg_profit": number | null;
          "created_at": string;
          "description": string | null;
          "environment": string | null;
          "exchange": string | null;
          "id": string;
          "losing_trades": number | null;
          "max_position_size_usd": number | null;
          "name": string;
          "notes": string | null;
          "pine_script": string | null;
          "pine_script_version": string | null;
          "position_size_percent": number | null;
          "risk_level": string | null;
          "status": string;
          "stop_loss_percent": number | null;
          "success_rate": number | null;
          "symbols": (string)[] | null;
          "take_profit_percent": number | null;
          "timeframe": string | null;
          "total_pnl_usd": number;
          "total_trades": number;
          "updated_at": string;
          "user_id": string;
          "winning_trades": number;
        };
        ComputedFields: never;
        Insert: {
          "asset_class"?: Database["public"]["Enums"]["asset_class_type"] | null;
          "avg_profit"?: never;
          "created_at"?: string;
          "description"?: string | null;
          "environment"?: string | null;
          "exchange"?: string | null;
          "id"?: string;
          "losing_trades"?: never;
          "max_position_size_usd"?: number | null;
          "name": string;
          "notes"?: string | null;
          "pine_script"?: string | null;
          "pine_script_version"?: string | null;
          "position_size_percent"?: number | null;
          "risk_level"?: string | null;
          "status"?: string;
          "stop_loss_percent"?: number | null;
          "success_rate"?: never;
          "symbols"?: (string)[] | null;
          "take_profit_percent"?: number | null;
          "timeframe"?: string | null;
          "total_pnl_usd"?: number;
          "total_trades"?: number;
          "updated_at"?: string;
          "user_id"?: string;
          "winning_trades"?: number;
        };
        Update: {
          "asset_class"?: Database["public"]["Enums"]["asset_class_type"] | null;
          "avg_profit"?: never;
          "created_at"?: string;
          "description"?: string | null;
          "environment"?: string | null;
          "exchange"?: string | null;
          "id"?: string;
          "losing_trades"?: never;
          "max_position_size_usd"?: number | null;
          "name"?: string;
          "notes"?: string | null;
          "pine_script"?: string | null;
          "pine_script_version"?: string | null;
          "position_size_percent"?: number | null;
          "risk_level"?: string | null;
          "status"?: string;
          "stop_loss_percent"?: number | null;
          "success_rate"?: never;
          "symbols"?: (string)[] | null;
          "take_profit_percent"?: number | null;
          "timeframe"?: string | null;
          "total_pnl_usd"?: number;
          "total_trades"?: number;
          "updated_at"?: string;
          "user_id"?: string;
          "winning_trades"?: number;
        };
        Relationships: [];
      };
      "subscriptions": {
        Row: {
          "cancel_at_period_end": boolean;
          "canceled_at": string | null;
          "created_at": string;
          "current_period_end": string | null;
          "current_period_start": string | null;
          "id": string;
          "max_exchanges": number | null;
          "max_strategies": number | null;
          "metadata": NonNullable<Json>;
          "past_due_since": string | null;
          "plan": string;
          "status": string;
          "stripe_customer_id": string | null;
          "stripe_price_id": string | null;
          "stripe_subscription_id": string | null;
          "trial_end": string | null;
          "trial_start": string | null;
          "updated_at": string;
          "user_id": string;
          "webhooks_per_hour": number | null;
        };
        ComputedFields: never;
        Insert: {
          "cancel_at_period_end"?: boolean;
          "canceled_at"?: string | null;
          "created_at"?: string;
          "current_period_end"?: string | null;
          "current_period_start"?: string | null;
          "id"?: string;
          "max_exchanges"?: number | null;
          "max_strategies"?: number | null;
          "metadata"?: NonNullable<Json>;
          "past_due_since"?: string | null;
          "plan"?: string;
          "status"?: string;
          "stripe_customer_id"?: string | null;
          "stripe_price_id"?: string | null;
          "stripe_subscription_id"?: string | null;
          "trial_end"?: string | null;
          "trial_start"?: string | null;
          "updated_at"?: string;
          "user_id": string;
          "webhooks_per_hour"?: number | null;
        };
        Update: {
          "cancel_at_period_end"?: boolean;
          "canceled_at"?: string | null;
          "created_at"?: string;
          "current_period_end"?: string | null;
          "current_period_start"?: string | null;
          "id"?: string;
          "max_exchanges"?: number | null;
          "max_strategies"?: number | null;
          "metadata"?: NonNullable<Json>;
          "past_due_since"?: string | null;
          "plan"?: string;
          "status"?: string;
          "stripe_customer_id"?: string | null;
          "stripe_price_id"?: string | null;
          "stripe_subscription_id"?: string | null;
          "trial_end"?: string | null;
          "trial_start"?: string | null;
          "updated_at"?: string;
          "user_id"?: string;
          "webhooks_per_hour"?: number | null;
        };
        Relationships: [
          {
            foreignKeyName: "subscriptions_plan_fkey";
            columns: ["plan"];
            isOneToOne: false;
            referencedRelation: "plans";
            referencedColumns: ["name"];
          },
        ];
      };
      "trade_settings_exchange": {
        Row: {
          "allow_weekends": boolean;
          "auto_close_outside_window": boolean;
          "created_at": string;
          "enabled": boolean;
          "entry_limit_offset_percent": number;
          "exchange": string;
          "extra_settings": NonNullable<Json>;
          "id": string;
          "max_open_positions": number;
          "max_position_size_usd": number;
          "max_signal_age_sec": number;
          "max_trades_per_day": number;
          "news_filter": boolean;
          "notes": string | null;
          "position_size_percent": number;
          "sl_percent": number;
          "stop_loss_percent": number;
          "strike_tolerance_percent": number;
          "take_profit_percent": number;
          "tp_percent": number;
          "trading_hours_preset": string;
          "trading_window": NonNullable<Json>;
          "updated_at": string;
          "user_id": string;
        };
        ComputedFields: never;
        Insert: {
          "allow_weekends"?: boolean;
          "auto_close_outside_window"?: boolean;
          "created_at"?: string;
          "enabled"?: boolean;
          "entry_limit_offset_percent"?: number;
          "exchange": string;
          "extra_settings"?: NonNullable<Json>;
          "id"?: string;
          "max_open_positions"?: number;
          "max_position_size_usd"?: number;
          "max_signal_age_sec"?: number;
          "max_trades_per_day"?: number;
          "news_filter"?: boolean;
          "notes"?: string | null;
          "position_size_percent"?: number;
          "sl_percent"?: number;
          "stop_loss_percent"?: number;
          "strike_tolerance_percent"?: number;
          "take_profit_percent"?: number;
          "tp_percent"?: number;
          "trading_hours_preset"?: string;
          "trading_window"?: NonNullable<Json>;
          "updated_at"?: string;
          "user_id"?: string;
        };
        Update: {
          "allow_weekends"?: boolean;
          "auto_close_outside_window"?: boolean;
          "created_at"?: string;
          "enabled"?: boolean;
          "entry_limit_offset_percent"?: number;
          "exchange"?: string;
          "extra_settings"?: NonNullable<Json>;
          "id"?: string;
          "max_open_positions"?: number;
          "max_position_size_usd"?: number;
          "max_signal_age_sec"?: number;
          "max_trades_per_day"?: number;
          "news_filter"?: boolean;
          "notes"?: string | null;
          "position_size_percent"?: number;
          "sl_percent"?: number;
          "stop_loss_percent"?: number;
          "strike_tolerance_percent"?: number;
          "take_profit_percent"?: number;
          "tp_percent"?: number;
          "trading_hours_preset"?: string;
          "trading_window"?: NonNullable<Json>;
          "updated_at"?: string;
          "user_id"?: string;
        };
        Relationships: [];
      };
      "trade_settings_global": {
        Row: {
          "allow_weekends": boolean;
          "created_at": string;
          "enabled": boolean;
          "extra_settings": NonNullable<Json>;
          "id": string;
          "max_position_size_usd": number;
          "max_trades_per_day": number;
          "news_filter": boolean;
          "notes": string | null;
          "stop_loss_percent": number;
          "take_profit_percent": number;
          "trading_hours_preset": string;
          "trading_window": NonNullable<Json>;
          "updated_at": string;
          "user_id": string;
        };
        ComputedFields: never;
        Insert: {
          "allow_weekends"?: boolean;
          "created_at"?: string;
          "enabled"?: boolean;
          "extra_settings"?: NonNullable<Json>;
          "id"?: string;
          "max_position_size_usd"?: number;
          "max_trades_per_day"?: number;
          "news_filter"?: boolean;
          "notes"?: string | null;
          "stop_loss_percent"?: number;
          "take_profit_percent"?: number;
          "trading_hours_preset"?: string;
          "trading_window"?: NonNullable<Json>;
          "updated_at"?: string;
          "user_id"?: string;
        };
        Update: {
          "allow_weekends"?: boolean;
          "created_at"?: string;
          "enabled"?: boolean;
          "extra_settings"?: NonNullable<Json>;
          "id"?: string;
          "max_position_size_usd"?: number;
          "max_trades_per_day"?: number;
          "news_filter"?: boolean;
          "notes"?: string | null;
          "stop_loss_percent"?: number;
          "take_profit_percent"?: number;
          "trading_hours_preset"?: string;
          "trading_window"?: NonNullable<Json>;
          "updated_at"?: string;
          "user_id"?: string;
        };
        Relationships: [];
      };
      "trades": {
        Row: {
          "account_id": string | null;
          "asset_class": Database["public"]["Enums"]["asset_class_type"] | null;
          "created_at": string;
          "entry_price": number;
          "entry_time": string;
          "exchange": string | null;
          "exit_price": number;
          "exit_reason": string;
          "exit_time": string;
          "fees_usd": number;
          "id": string;
          "is_winner": boolean;
          "notes": string | null;
          "order_id": string;
          "pnl_percent": number;
          "pnl_usd": number;
          "position_size_usd": number;
          "quantity": number;
          "side": string;
          "stop_loss_percent": number | null;
          "stop_loss_price": number | null;
          "strategy_id": string | null;
          "symbol": string;
          "take_profit_percent": number | null;
          "take_profit_price": number | null;
          "user_id": string;
        };
        ComputedFields: never;
        Insert: {
          "account_id"?: string | null;
          "asset_class"?: Database["public"]["Enums"]["asset_class_type"] | null;
          "created_at"?: string;
          "entry_price": number;
          "entry_time": string;
          "exchange"?: string | null;
          "exit_price": number;
          "exit_reason"?: string;
          "exit_time": string;
          "fees_usd"?: number;
          "id"?: string;
          "is_winner": boolean;
          "notes"?: string | null;
          "order_id": string;
          "pnl_percent": number;
          "pnl_usd": number;
          "position_size_usd": number;
          "quantity": number;
          "side": string;
          "stop_loss_percent"?: number | null;
          "stop_loss_price"?: number | null;
          "strategy_id"?: string | null;
          "symbol": string;
          "take_profit_percent"?: number | null;
          "take_profit_price"?: number | null;
          "user_id"?: string;
        };
        Update: {
          "account_id"?: string | null;
          "asset_class"?: Database["public"]["Enums"]["asset_class_type"] | null;
          "created_at"?: string;
          "entry_price"?: number;
          "entry_time"?: string;
          "exchange"?: string | null;
          "exit_price"?: number;
          "exit_reason"?: string;
          "exit_time"?: string;
          "fees_usd"?: number;
          "id"?: string;
          "is_winner"?: boolean;
          "notes"?: string | null;
          "order_id"?: string;
          "pnl_percent"?: number;
          "pnl_usd"?: number;
          "position_size_usd"?: number;
          "quantity"?: number;
          "side"?: string;
          "stop_loss_percent"?: number | null;
          "stop_loss_price"?: number | null;
          "strategy_id"?: string | null;
          "symbol"?: string;
          "take_profit_percent"?: number | null;
          "take_profit_price"?: number | null;
          "user_id"?: string;
        };
        Relationships: [
          {
            foreignKeyName: "trades_user_id_account_id_fkey";
            columns: ["user_id", "account_id"];
            isOneToOne: false;
            referencedRelation: "user_api_keys";
            referencedColumns: ["user_id", "id"];
          },
          {
            foreignKeyName: "trades_user_id_strategy_id_fkey";
            columns: ["user_id", "strategy_id"];
            isOneToOne: false;
            referencedRelation: "strategies";
            referencedColumns: ["user_id", "id"];
          },
        ];
      };
      "usage_logs": {
        Row: {
          "count": number;
          "hour": string;
          "kind": string;
          "user_id": string;
        };
        ComputedFields: never;
        Insert: {
          "count"?: number;
          "hour": string;
          "kind": string;
          "user_id"?: string;
        };
        Update: {
          "count"?: number;
          "hour"?: string;
          "kind"?: string;
          "user_id"?: string;
        };
        Relationships: [];
      };
      "user_api_keys": {
        Row: {
          "account_id": string | null;
          "base_url": string | null;
          "created_at": string;
          "environment": string;
          "exchange": string;
          "expires_at": string | null;
          "extra_metadata": NonNullable<Json>;
          "form": string;
          "found_account_id": string | null;
          "hint": string | null;
          "id": string;
          "key_version": number;
          "label": string;
          "last_tested": string | null;
          "notes": (string)[];
          "permissions": (string)[];
          "secret_fields": (string)[];
          "secret_id": string;
          "status": string;
          "status_reason": string | null;
          "updated_at": string;
          "user_id": string;
          "validated_at": string | null;
        };
        ComputedFields: never;
        Insert: {
          "account_id"?: string | null;
          "base_url"?: string | null;
          "created_at"?: string;
          "environment": string;
          "exchange": string;
          "expires_at"?: string | null;
          "extra_metadata"?: NonNullable<Json>;
          "form"?: string;
          "found_account_id"?: string | null;
          "hint"?: string | null;
          "id"?: string;
          "key_version"?: number;
          "label": string;
          "last_tested"?: string | null;
          "notes"?: (string)[];
          "permissions"?: (string)[];
          "secret_fields"?: (string)[];
          "secret_id": string;
          "status"?: string;
          "status_reason"?: string | null;
          "updated_at"?: string;
          "user_id"?: string;
          "validated_at"?: string | null;
        };
        Update: {
          "account_id"?: string | null;
          "base_url"?: string | null;
          "created_at"?: string;
          "environment"?: string;
          "exchange"?: string;
          "expires_at"?: string | null;
          "extra_metadata"?: NonNullable<Json>;
          "form"?: string;
          "found_account_id"?: string | null;
          "hint"?: string | null;
          "id"?: string;
          "key_version"?: number;
          "label"?: string;
          "last_tested"?: string | null;
          "notes"?: (string)[];
          "permissions"?: (string)[];
          "secret_fields"?: (string)[];
          "secret_id"?: string;
          "status"?: string;
          "status_reason"?: string | null;
          "updated_at"?: string;
          "user_id"?: string;
          "validated_at"?: string | null;
        };
        Relationships: [];
      };
      "user_profiles": {
        Row: {
          "avatar_url": string | null;
          "created_at": string;
          "deletion_requested_at": string | null;
          "email": string | null;
          "full_name": string | null;
          "id": string;
          "updated_at": string;
        };
        ComputedFields: never;
        Insert: {
          "avatar_url"?: string | null;
          "created_at"?: string;
          "deletion_requested_at"?: string | null;
          "email"?: string | null;
          "full_name"?: string | null;
          "id": string;
          "updated_at"?: string;
        };
        Update: {
          "avatar_url"?: string | null;
          "created_at"?: string;
          "deletion_requested_at"?: string | null;
          "email"?: string | null;
          "full_name"?: string | null;
          "id"?: string;
          "updated_at"?: string;
        };
        Relationships: [];
      };
      "user_webhook_configs": {
        Row: {
          "active": boolean;
          "allowed_sources": (string)[] | null;
          "created_at": string;
          "hint": string;
          "id": string;
          "name": string;
          "old_live_since": string | null;
          "require_signature": boolean;
          "secret_hint": string;
          "secret_id": string;
          "updated_at": string;
          "user_id": string;
        };
        ComputedFields: never;
        Insert: {
          "active"?: boolean;
          "allowed_sources"?: (string)[] | null;
          "created_at"?: string;
          "hint": string;
          "id"?: string;
          "name"?: string;
          "old_live_since"?: string | null;
          "require_signature"?: boolean;
          "secret_hint": string;
          "secret_id": string;
          "updated_at"?: string;
          "user_id"?: string;
        };
        Update: {
          "active"?: boolean;
          "allowed_sources"?: (string)[] | null;
          "created_at"?: string;
          "hint"?: string;
          "id"?: string;
          "name"?: string;
          "old_live_since"?: string | null;
          "require_signature"?: boolean;
          "secret_hint"?: string;
          "secret_id"?: string;
          "updated_at"?: string;
          "user_id"?: string;
        };
        Relationships: [];
      };
    };
    Views: {
      "bot_credentials": {
        Row: {
          "account_id": string | null;
          "api_key": string | null;
          "api_secret": string | null;
          "base_url": string | null;
          "created_at": string | null;
          "environment": string | null;
          "exchange": string | null;
          "extra_metadata": Json | null;
          "id": string | null;
          "label": string | null;
          "last_tested": string | null;
          "passphrase": string | null;
          "password": string | null;
          "updated_at": string | null;
          "user_id": string | null;
          "username": string | null;
          "webhook_secret": string | null;
        };
        ComputedFields: never;
        Insert: {
          "account_id"?: string | null;
          "api_key"?: string | null;
          "api_secret"?: string | null;
          "base_url"?: string | null;
          "created_at"?: string | null;
          "environment"?: string | null;
          "exchange"?: string | null;
          "extra_metadata"?: Json | null;
          "id"?: string | null;
          "label"?: string | null;
          "last_tested"?: string | null;
          "passphrase"?: string | null;
          "password"?: string | null;
          "updated_at"?: string | null;
          "user_id"?: string | null;
          "username"?: string | null;
          "webhook_secret"?: string | null;
        };
        Update: {
          "account_id"?: string | null;
          "api_key"?: string | null;
          "api_secret"?: string | null;
          "base_url"?: string | null;
          "created_at"?: string | null;
          "environment"?: string | null;
          "exchange"?: string | null;
          "extra_metadata"?: Json | null;
          "id"?: string | null;
          "label"?: string | null;
          "last_tested"?: string | null;
          "passphrase"?: string | null;
          "password"?: string | null;
          "updated_at"?: string | null;
          "user_id"?: string | null;
          "username"?: string | null;
          "webhook_secret"?: string | null;
        };
        Relationships: [];
      };
      "trade_stats": {
        Row: {
          "avg_loss": number | null;
          "avg_pnl_per_trade": number | null;
          "avg_win": number | null;
          "largest_loss": number | null;
          "largest_win": number | null;
          "losing_trades": number | null;
          "total_pnl_usd": number | null;
          "total_trades": number | null;
          "user_id": string;
          "win_rate_percent": number | null;
          "winning_trades": number | null;
        };
        ComputedFields: never;
        Relationships: [];
      };
      "trade_stats_daily": {
        Row: {
          "day": string | null;
          "exchange": string | null;
          "pnl_usd": number | null;
          "strategy_id": string | null;
          "trades": number | null;
          "user_id": string;
          "winners": number | null;
        };
        ComputedFields: never;
        Relationships: [
          {
            foreignKeyName: "trades_user_id_strategy_id_fkey";
            columns: ["user_id", "strategy_id"];
            isOneToOne: false;
            referencedRelation: "strategies";
            referencedColumns: ["user_id", "id"];
          },
        ];
      };
      "tradier_option_trades": {
        Row: {
          "config_snapshot": NonNullable<Json>;
          "contract_size": number;
          "cost_usd": number | null;
          "created_at": string;
          "entry_limit_price": number | null;
          "entry_order": Json | null;
          "entry_order_id": string | null;
          "expiration_date": string | null;
          "extra_metadata": NonNullable<Json>;
          "id": string;
          "option_symbol": string;
          "option_type": string | null;
          "pnl_percent": number | null;
          "pnl_usd": number | null;
          "quantity_contracts": number | null;
          "sl_leg": Json | null;
          "sl_limit_price": number | null;
          "sl_order_id": string | null;
          "sl_stop_price": number | null;
          "status": string;
          "strategy": string | null;
          "strike_price": number | null;
          "time_exit_order": Json | null;
          "time_exit_order_id": string | null;
          "tp_leg": Json | null;
          "tp_limit_price": number | null;
          "tp_order_id": string | null;
          "underlying_symbol": string;
          "updated_at": string;
          "user_id": string;
        };
        ComputedFields: never;
        Insert: {
          "config_snapshot"?: Json | null;
          "contract_size"?: number | null;
          "cost_usd"?: number | null;
          "created_at"?: string | null;
          "entry_limit_price"?: number | null;
          "entry_order"?: Json | null;
          "entry_order_id"?: string | null;
          "expiration_date"?: string | null;
          "extra_metadata"?: Json | null;
          "id"?: string | null;
          "option_symbol"?: string | null;
          "option_type"?: string | null;
          "pnl_percent"?: number | null;
          "pnl_usd"?: number | null;
          "quantity_contracts"?: number | null;
          "sl_leg"?: Json | null;
          "sl_limit_price"?: number | null;
          "sl_order_id"?: string | null;
          "sl_stop_price"?: number | null;
          "status"?: string | null;
          "strategy"?: string | null;
          "strike_price"?: number | null;
          "time_exit_order"?: Json | null;
          "time_exit_order_id"?: string | null;
          "tp_leg"?: Json | null;
          "tp_limit_price"?: number | null;
          "tp_order_id"?: string | null;
          "underlying_symbol"?: string | null;
          "updated_at"?: string | null;
          "user_id"?: string | null;
        };
        Update: {
          "config_snapshot"?: Json | null;
          "contract_size"?: number | null;
          "cost_usd"?: number | null;
          "created_at"?: string | null;
          "entry_limit_price"?: number | null;
          "entry_order"?: Json | null;
          "entry_order_id"?: string | null;
          "expiration_date"?: string | null;
          "extra_metadata"?: Json | null;
          "id"?: string | null;
          "option_symbol"?: string | null;
          "option_type"?: string | null;
          "pnl_percent"?: number | null;
          "pnl_usd"?: number | null;
          "quantity_contracts"?: number | null;
          "sl_leg"?: Json | null;
          "sl_limit_price"?: number | null;
          "sl_order_id"?: string | null;
          "sl_stop_price"?: number | null;
          "status"?: string | null;
          "strategy"?: string | null;
          "strike_price"?: number | null;
          "time_exit_order"?: Json | null;
          "time_exit_order_id"?: string | null;
          "tp_leg"?: Json | null;
          "tp_limit_price"?: number | null;
          "tp_order_id"?: string | null;
          "underlying_symbol"?: string | null;
          "updated_at"?: string | null;
          "user_id"?: string | null;
        };
        Relationships: [];
      };
      "usage_this_month": {
        Row: {
          "count": number | null;
          "kind": string;
          "user_id": string;
        };
        ComputedFields: never;
        Relationships: [];
      };
      "usage_today": {
        Row: {
          "count": number | null;
          "kind": string;
          "user_id": string;
        };
        ComputedFields: never;
        Relationships: [];
      };
      "webhook_requests": {
        Row: {
          "action": string | null;
          "created_at": string;
          "error_message": string | null;
          "exchange": string | null;
          "id": string;
          "payload": NonNullable<Json>;
          "processed_at": string | null;
          "status": string | null;
          "strategy_id": string | null;
          "symbol": string | null;
          "user_id": string;
          "webhook_secret": string | null;
        };
        ComputedFields: never;
        Insert: {
          "action"?: string | null;
          "created_at"?: string | null;
          "error_message"?: string | null;
          "exchange"?: string | null;
          "id"?: string | null;
          "payload"?: Json | null;
          "processed_at"?: string | null;
          "status"?: string | null;
          "strategy_id"?: string | null;
          "symbol"?: string | null;
          "user_id"?: string | null;
          "webhook_secret"?: string | null;
        };
        Update: {
          "action"?: string | null;
          "created_at"?: string | null;
          "error_message"?: string | null;
          "exchange"?: string | null;
          "id"?: string | null;
          "payload"?: Json | null;
          "processed_at"?: string | null;
          "status"?: string | null;
          "strategy_id"?: string | null;
          "symbol"?: string | null;
          "user_id"?: string | null;
          "webhook_secret"?: string | null;
        };
        Relationships: [
          {
            foreignKeyName: "signals_user_id_strategy_id_fkey";
            columns: ["user_id", "strategy_id"];
            isOneToOne: false;
            referencedRelation: "strategies";
            referencedColumns: ["user_id", "id"];
          },
        ];
      };
    };
    Functions: {
      "alert_template": { Args: { "p_exchange": string; "p_style": string }; Returns: Json };
      "alert_templates": { Args: Record<PropertyKey, never>; Returns: Json };
      "announce": { Args: { "p_text": string }; Returns: Json };
      "audit_head": { Args: Record<PropertyKey, never>; Returns: Json };
      "begin_orders": { Args: { "p_claims": Json }; Returns: Json };
      "check_webhook_limit": { Args: { "p_plan"?: string; "p_user_id": string }; Returns: boolean };
      "claim_accounts": {
        Args: { "p_lease_seconds": number; "p_limit": number; "p_worker": string };
        Returns: Json;
      };
      "claim_signals": {
        Args: { "p_lease_seconds": number; "p_limit": number; "p_worker": string };
        Returns: Json;
      };
      "claim_tasks": {
        Args: { "p_lease_seconds": number; "p_limit": number; "p_worker": string };
        Returns: Json;
      };
      "create_webhook": { Args: { "p_name"?: string }; Returns: Json };
      "delete_api_key": { Args: { "p_account_id": string }; Returns: boolean };
      "delete_my_account": { Args: { "p_confirm": string }; Returns: Json };
      "end_old_webhook_credentials": { Args: { "p_webhook_id": string }; Returns: boolean };
      "explain_signal": { Args: { "p_signal_id": string }; Returns: Json };
      "export_my_data": { Args: Record<PropertyKey, never>; Returns: Json };
      "extend_leases": { Args: { "p_claims": Json; "p_lease_seconds": number }; Returns: Json };
      "finish_accounts": { Args: { "p_results": Json }; Returns: Json };
      "finish_signals": {
        Args: { "p_lease_seconds"?: number; "p_limit"?: number; "p_results": Json; "p_worker"?: string };
        Returns: Json;
      };
      "finish_tasks": { Args: { "p_results": Json }; Returns: Json };
      "get_user_subscription_plan_safe": { Args: { "p_user_id": string }; Returns: string };
      "halt_trading": { Args: { "p_reason": string }; Returns: Json };
      "has_feature": { Args: { "p_name": string }; Returns: boolean };
      "ingest_alert": {
        Args: { "p_body": string; "p_headers": Json; "p_ip": string; "p_token": string };
        Returns: Json;
      };
      "list_api_keys": { Args: Record<PropertyKey, never>; Returns: Json };
      "my_plan": { Args: Record<PropertyKey, never>; Returns: Json };
      "my_settings": { Args: Record<PropertyKey, never>; Returns: Json };
      "my_signal": { Args: { "p_signal_id": string }; Returns: Json };
      "open_keys": { Args: { "p_account_id": string; "p_worker": string }; Returns: Json };
      "paper_cancel": { Args: { "p_account_id": string; "p_client_order_id": string }; Returns: Json };
      "paper_find_order": { Args: { "p_account_id": string; "p_client_order_id": string }; Returns: Json };
      "paper_list_fills": {
        Args: { "p_account_id": string; "p_key_hash": string; "p_since": string; "p_symbol": string };
        Returns: Json;
      };
      "paper_list_open": { Args: { "p_account_id": string; "p_key_hash": string }; Returns: Json };
      "paper_list_positions": { Args: { "p_account_id": string; "p_key_hash": string }; Returns: Json };
      "paper_mark": {
        Args: { "p_account_id": string; "p_key_hash": string; "p_price": number; "p_symbol": string };
        Returns: number;
      };
      "paper_open": {
        Args: {
          "p_account_id": string;
          "p_currency": string;
          "p_key_hash": string;
          "p_starting_balance": number;
        };
        Returns: Json;
      };
      "paper_place_exits": {
        Args: { "p_account_id": string; "p_key_hash": string; "p_request": Json; "p_terms": Json };
        Returns: Json;
      };
      "paper_submit": {
        Args: { "p_account_id": string; "p_key_hash": string; "p_order": Json; "p_terms": Json };
        Returns: Json;
      };
      "platform_status": { Args: Record<PropertyKey, never>; Returns: Json };
      "read_export": { Args: { "p_export_id": string; "p_part"?: number }; Returns: string };
      "release_signals": { Args: { "p_claims": Json }; Returns: Json };
      "request_validation": { Args: { "p_account_id": string }; Returns: Json };
      "reseal_keys": {
        Args: { "p_account_id": string; "p_key_version": number; "p_sealed": string; "p_worker": string };
        Returns: boolean;
      };
      "resume_trading": { Args: Record<PropertyKey, never>; Returns: Json };
      "reveal_webhook": { Args: { "p_webhook_id": string }; Returns: Json };
      "review_signals": { Args: Record<PropertyKey, never>; Returns: Json };
      "rotate_keys": {
        Args: { "p_account_id": string; "p_key_version": number; "p_sealed": string; "p_worker": string };
        Returns: number;
      };
      "rotate_webhook": { Args: { "p_webhook_id": string }; Returns: Json };
      "save_api_key": {
        Args: {
          "p_account_id"?: string;
          "p_environment": string;
          "p_exchange": string;
          "p_fields"?: (string)[];
          "p_hint"?: string;
          "p_label": string;
          "p_sealed": string;
        };
        Returns: string;
      };
      "set_api_url": { Args: { "p_url": string }; Returns: string };
      "settle_signal": {
        Args: {
          "p_fills"?: Json;
          "p_note": string;
          "p_operator": string;
          "p_signal_id": string;
          "p_verdict": string;
        };
        Returns: Json;
      };
      "store_stripe_event": { Args: { "p_event": Json }; Returns: boolean };
      "verify_audit": {
        Args: { "p_from_seq"?: number; "p_head_hash"?: string; "p_head_seq"?: number; "p_limit"?: number };
        Returns: Json;
      };
      "webhook_url": { Args: { "p_webhook_id": string }; Returns: Json };
      "work_task": { Args: { "p_fence": number; "p_task_id": number }; Returns: Json };
      "worker_heartbeat": {
        Args: { "p_counters": Json; "p_ping"?: string; "p_version": string; "p_worker": string };
        Returns: Json;
      };
    };
    Enums: {
      "asset_class_type": "forex" | "crypto" | "options" | "stocks" | "futures";
    };
    CompositeTypes: {
      [_ in never]: never;
    };
  };
};

type DatabaseWithoutInternals = Omit<Database, "__InternalSupabase">;

type DefaultSchema = DatabaseWithoutInternals[Extract<keyof Database, "public">];

export type Tables<
  DefaultSchemaTableNameOrOptions extends
    | keyof (DefaultSchema["Tables"] & DefaultSchema["Views"])
    | { schema: keyof DatabaseWithoutInternals },
  TableName extends DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals;
  } ? keyof (
      & DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"]
      & DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Views"]
    )
    : never = never,
> = DefaultSchemaTableNameOrOptions extends { schema: keyof DatabaseWithoutInternals } ? (
    & DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"]
    & DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Views"]
  )[TableName] extends {
    Row: infer R;
  } ? R
  : never
  : DefaultSchemaTableNameOrOptions extends keyof (DefaultSchema["Tables"] & DefaultSchema["Views"])
    ? (DefaultSchema["Tables"] & DefaultSchema["Views"])[DefaultSchemaTableNameOrOptions] extends {
      Row: infer R;
    } ? R
    : never
  : never;

export type TablesInsert<
  DefaultSchemaTableNameOrOptions extends
    | keyof DefaultSchema["Tables"]
    | { schema: keyof DatabaseWithoutInternals },
  TableName extends DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals;
  } ? keyof DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"]
    : never = never,
> = DefaultSchemaTableNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"][TableName] extends {
    Insert: infer I;
  } ? I
  : never
  : DefaultSchemaTableNameOrOptions extends keyof DefaultSchema["Tables"]
    ? DefaultSchema["Tables"][DefaultSchemaTableNameOrOptions] extends {
      Insert: infer I;
    } ? I
    : never
  : never;

export type TablesUpdate<
  DefaultSchemaTableNameOrOptions extends
    | keyof DefaultSchema["Tables"]
    | { schema: keyof DatabaseWithoutInternals },
  TableName extends DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals;
  } ? keyof DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"]
    : never = never,
> = DefaultSchemaTableNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"][TableName] extends {
    Update: infer U;
  } ? U
  : never
  : DefaultSchemaTableNameOrOptions extends keyof DefaultSchema["Tables"]
    ? DefaultSchema["Tables"][DefaultSchemaTableNameOrOptions] extends {
      Update: infer U;
    } ? U
    : never
  : never;

export type Enums<
  DefaultSchemaEnumNameOrOptions extends
    | keyof DefaultSchema["Enums"]
    | { schema: keyof DatabaseWithoutInternals },
  EnumName extends DefaultSchemaEnumNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals;
  } ? keyof DatabaseWithoutInternals[DefaultSchemaEnumNameOrOptions["schema"]]["Enums"]
    : never = never,
> = DefaultSchemaEnumNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[DefaultSchemaEnumNameOrOptions["schema"]]["Enums"][EnumName]
  : DefaultSchemaEnumNameOrOptions extends keyof DefaultSchema["Enums"]
    ? DefaultSchema["Enums"][DefaultSchemaEnumNameOrOptions]
  : never;

export type CompositeTypes<
  PublicCompositeTypeNameOrOptions extends
    | keyof DefaultSchema["CompositeTypes"]
    | { schema: keyof DatabaseWithoutInternals },
  CompositeTypeName extends PublicCompositeTypeNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals;
  } ? keyof DatabaseWithoutInternals[PublicCompositeTypeNameOrOptions["schema"]]["CompositeTypes"]
    : never = never,
> = PublicCompositeTypeNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[PublicCompositeTypeNameOrOptions["schema"]]["CompositeTypes"][CompositeTypeName]
  : PublicCompositeTypeNameOrOptions extends keyof DefaultSchema["CompositeTypes"]
    ? DefaultSchema["CompositeTypes"][PublicCompositeTypeNameOrOptions]
  : never;

export const Constants = {
  "public": {
    Enums: {
      "asset_class_type": ["forex", "crypto", "options", "stocks", "futures"],
    },
  },
} as const;
