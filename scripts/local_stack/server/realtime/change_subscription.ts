/** The postgres_changes part of a channel: checked by the database, then live, then told to the client. */
import type { ChangeListener } from "./changes.ts";
import { describeError } from "./errors.ts";
import { type Binding, bindingId, BindingRefused, parseBinding } from "./filters.ts";
import type { JsonObject } from "./json.ts";
import type { Services } from "./services.ts";

type Tell = (extension: "postgres_changes", status: "ok" | "error", message: string) => void;

const RETRY_MS = 1_000;

export class ChangeSubscription {
  bindings: Binding[] = [];
  /** Grows with every start and stop, so that an attempt under way knows that it is no longer wanted. */
  #attempt = 0;

  constructor(
    private readonly services: Services,
    private readonly listener: ChangeListener,
    private readonly configs: JsonObject[],
    private readonly tell: Tell,
  ) {}

  /** Subscribes, or checks the subscription again under new claims while events go on. */
  start(): void {
    void this.#subscribe(++this.#attempt);
  }

  stop(): void {
    this.#attempt++;
    this.services.feed.remove(this.listener);
  }

  async #subscribe(attempt: number): Promise<void> {
    while (attempt === this.#attempt) {
      try {
        const bindings = this.configs.map((config) => parseBinding(bindingId(config), config));
        await this.services.check.check(bindings, this.listener.claims);
        await this.services.changes.whenLive();
        if (attempt !== this.#attempt) return;
        this.bindings = bindings;
        this.services.feed.add(this.listener);
        return this.tell("postgres_changes", "ok", "Subscribed to PostgreSQL");
      } catch (error) {
        if (attempt !== this.#attempt) return;
        if (error instanceof BindingRefused) {
          this.services.feed.remove(this.listener);
          return this.tell("postgres_changes", "error", error.message);
        }
        this.services.log("warning", "realtime_subscribe_failed", describeError(error));
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }
}
