/** A value that is costly to load: loaded once however many ask, and again after it was forgotten. */
export interface Cache<T> {
  get(): Promise<T>;
  forget(): void;
}

export function cached<T>(load: () => Promise<T>): Cache<T> {
  let current: Promise<T> | undefined;
  return {
    get() {
      if (current === undefined) {
        const loading = load();
        current = loading;
        loading.catch(() => {
          if (current === loading) current = undefined;
        });
      }
      return current;
    },
    forget() {
      current = undefined;
    },
  };
}
